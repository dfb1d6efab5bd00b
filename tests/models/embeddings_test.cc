// int8 embeddings, from the graph to the packed file.
#include "engine/quantizer/embeddings.h"

#include "engine/row_table.h"
#include "kernels/isa.h"
#include "models/eval/answers.h"
#include "models/packed_model.h"
#include "models/quantization.h"
#include "tests/catch.h"
#include "tests/files.h"
#include "tests/models/encoder_graph.h"
#include "tests/models/prepared.h"

namespace sesame::models {
namespace {

using engine::Graph;
using engine::Tensor;

constexpr std::int64_t kVocab = 120;

int bytes_tables(const Graph& graph) { return test::count(graph, "GatherBytes"); }

TEST_CASE("Tables at an encoder's beginning become bytes, those of relative positions do not") {
  const struct {
    const char* architecture;
    std::size_t tables;
  } cases[] = {{"distilbert", 2}, {"bert", 3},    {"roberta", 3},    {"minilm", 3},
               {"albert", 3},     {"electra", 3}, {"deberta-v3", 1}, {"mobilebert", 3}};
  for (const auto& c : cases) {
    INFO(c.architecture);
    Graph graph = normal_graph(synthesis::tiny(c.architecture, synthesis::Task::sequence_classification));
    const Graph before = graph;
    const auto tables = engine::quantize_embeddings(graph);
    CHECK(tables.size() == c.tables);
    CHECK(bytes_tables(graph) == static_cast<int>(c.tables));
    for (const auto& table : tables) engine::restore_floats(graph, table);
    CHECK(bytes_tables(graph) == 0);
    CHECK(graph.nodes[tables[0].node].inputs == before.nodes[tables[0].node].inputs);
  }
}

TEST_CASE("A text has the same bits with bytes for embeddings in any batch, on any threads, at every level") {
  const Sequences texts = made_up({5, 17, 3, 30}, kVocab);
  for (const char* architecture : {"bert", "albert", "deberta-v3"}) {
    INFO(architecture);
    Graph graph = normal_graph(synthesis::tiny(architecture, synthesis::Task::sequence_classification));
    const Graph floats = graph;
    engine::quantize_embeddings(graph);
    const How how{engine::LinearPrecision::int8, true, AttentionPrecision::int8};
    const Prepared model = prepare(graph, how), reference = prepare(floats, how);
    CHECK(model.recognition.layers_recognised == reference.recognition.layers_recognised);
    CHECK(model.recognition.position_rows == reference.recognition.position_rows);
    std::vector<std::vector<float>> alone;
    for (const auto& text : texts) {
      alone.push_back(row(test::run(*model.plan, padded(graph, {text}, text.size()))[0], 0));
      const auto want = row(test::run(*reference.plan, padded(graph, {text}, text.size()))[0], 0);
      CHECK_FALSE(same_bits(alone.back(), want));
      CHECK(signal_to_noise(want, alone.back()) > 20);
    }
    for (const kernels::Isa isa : kernels::runnable_isas()) {
      for (const int threads : {1, 3}) {
        const auto together = test::run(*model.plan, padded(graph, texts, 33), {.isa = isa, .threads = threads});
        for (std::size_t b = 0; b < texts.size(); ++b) CHECK(same_bits(row(together[0], b), alone[b]));
      }
    }
  }
}

TEST_CASE("The fused lookup gives what the operators give one by one, in encoders of any shape") {
  const Sequences texts = made_up({5, 17}, EncoderGraph::kVocab);
  const Graph bert = normal_graph(synthesis::tiny("bert", synthesis::Task::encoder));
  const Graph rows = EncoderGraph({.norm = EncoderStyle::Norm::pre}).graph();
  for (Graph graph : {bert, rows}) {
    const int tables = static_cast<int>(engine::quantize_embeddings(graph).size());
    CHECK(tables > 0);
    const Prepared fused = prepare(graph), plain = prepare(graph, {.recognise = false});
    CHECK(fused.recognition.layers_recognised == 2);
    REQUIRE(bytes_tables(fused.plan->graph()) == 0);
    REQUIRE(bytes_tables(plain.plan->graph()) == tables);
    const auto inputs = padded(graph, texts, 17);
    for (std::size_t b = 0; b < texts.size(); ++b) {
      auto got = row(test::run(*fused.plan, inputs)[0], b), want = row(test::run(*plain.plan, inputs)[0], b);
      got.resize(texts[b].size() * got.size() / 17);
      want.resize(got.size());
      CHECK(signal_to_noise(want, got) > 100);
    }
  }
}

TEST_CASE("Layers are recognised behind bytes as behind floats") {
  Graph graph = normal_graph(synthesis::tiny("mobilebert", synthesis::Task::sequence_classification));
  CHECK(prepare(graph).recognition.layers_recognised == 2);
  CHECK(engine::quantize_embeddings(graph).size() == 3);
  CHECK(prepare(graph).recognition.layers_recognised == 2);
}

TEST_CASE("A packed model maps bytes for its embeddings, and takes less memory by what they save") {
  const TemporaryFolder folder;
  const SourceModel source = read_source(std::filesystem::path(SESAME_SOURCE_DIR) / "models" / "intent");
  const auto pack = [&](bool bytes) {
    QuantizeOptions options;
    options.embeddings = bytes;
    const auto quantized = quantize(source, options, {}, {});
    const auto file = folder / (bytes ? "bytes.sesame" : "floats.sesame");
    write_quantized(source, quantized, options, file);
    return Model::load(file);
  };
  const auto floats = pack(false), bytes = pack(true);
  const std::size_t tables = (3004 + 64) * std::size_t{256};  // vocabulary and positions, hidden 256
  const std::size_t saved = floats->loaded().weight_bytes - bytes->loaded().weight_bytes;
  CHECK(saved > tables * 29 / 10);
  CHECK(saved <= tables * 3);
  CHECK(std::filesystem::file_size(folder / "bytes.sesame") + saved <
        std::filesystem::file_size(folder / "floats.sesame") + 8192);
  CHECK(floats->max_tokens() == bytes->max_tokens());
  const std::vector<std::string_view> texts = {"what's my balance", "wake me at seven", "zzyzx"};
  Session ours(bytes), others(floats);
  const auto got = ours.classify(texts), want = others.classify(texts);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    CHECK(got[i].label == want[i].label);
    CHECK(signal_to_noise(want[i].logits, got[i].logits) > 35);
    CHECK(ours.classify(texts[i]).logits == got[i].logits);
  }
}

}  // namespace
}  // namespace sesame::models
