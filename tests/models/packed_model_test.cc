#include "models/packed_model.h"

#include <cstring>
#include <random>

#include "engine/container.h"
#include "models/encoder_step.h"
#include "models/quantization.h"
#include "tests/catch.h"
#include "tests/files.h"

namespace sesame::models {
namespace {

namespace fs = std::filesystem;

const fs::path kIntent = fs::path(SESAME_SOURCE_DIR) / "models" / "intent";

fs::path pack(const TemporaryFolder& folder, Precision precision, const std::string& name = "m.sesame") {
  SourceModel source = read_source(kIntent);
  quantize_graph(source.graph, precision);
  const auto attention = attention_beside(precision, AttentionPrecision::automatic);
  write_packed_model(source, source.graph, {precision, attention, {}}, folder / name);
  return folder / name;
}

std::vector<float> logits(const fs::path& path, const ModelOptions& options) {
  Session session(Model::load(path, options));
  std::vector<float> all;
  for (const auto& answer : session.classify({"what's my checking balance", "wake me at seven", "hello"})) {
    all.insert(all.end(), answer.logits.begin(), answer.logits.end());
  }
  return all;
}

TEST_CASE("A packed model gives the bits of the model that was packed, and knows all about it") {
  const TemporaryFolder folder;
  for (const Precision precision : {Precision::fp32, Precision::int8}) {
    const fs::path file = pack(folder, precision);
    const auto want = logits(kIntent, {.precision = precision});
    const auto got = logits(file, {});
    REQUIRE(got.size() == want.size());
    CHECK(std::memcmp(got.data(), want.data(), got.size() * sizeof(float)) == 0);
    const auto original = Model::load(kIntent, {.precision = precision}), packed = Model::load(file);
    CHECK(packed->labels() == original->labels());
    CHECK(packed->max_tokens() == original->max_tokens());
    CHECK(packed->precision() == precision);
    CHECK(packed->loaded().source.operators == original->loaded().source.operators);
    CHECK(packed->loaded().recognition.structs == original->loaded().recognition.structs);
  }
}

TEST_CASE("Packed weights are used where they lie in the file") {
  const TemporaryFolder folder;
  for (const Precision precision : {Precision::fp32, Precision::int8}) {
    const auto model = Model::load(pack(folder, precision));
    const engine::Plan& plan = *model->loaded().plan;
    for (std::size_t n = 0; n < plan.steps(); ++n) {
      const auto* step = dynamic_cast<const EncoderStep*>(&plan.step(n));
      if (step == nullptr) continue;
      const auto* table = static_cast<const std::byte*>(step->encoder().embeddings.tables[0].rows.raw());
      for (const EncoderLayer& layer : step->encoder().layers) {
        for (const auto* linear : {&layer.query_key_value, &layer.attn_out, &layer.ffn_in, &layer.ffn_out}) {
          // In one mapping with the embeddings, not on the heap.
          const auto* weight = static_cast<const std::byte*>(linear->packed().weight.raw());
          CHECK(std::abs(weight - table) < static_cast<std::ptrdiff_t>(fs::file_size(folder / "m.sesame")));
        }
      }
    }
  }
}

TEST_CASE("The same model and options give the same bytes") {
  const TemporaryFolder folder;
  CHECK(content_of(pack(folder, Precision::int8)) == content_of(pack(folder, Precision::int8, "n.sesame")));
}

TEST_CASE("A packed model is refused in another precision than its own") {
  const TemporaryFolder folder;
  const fs::path file = pack(folder, Precision::int8);
  CHECK_THROWS_WITH(Model::load(file, {.precision = Precision::fp32}),
                    Catch::StartsWith(file.string()) && Catch::Contains("int8"));
  CHECK(Model::load(file, {.precision = Precision::int8})->precision() == Precision::int8);
  CHECK(logits(file, {.attention = AttentionPrecision::fp32}) ==
        logits(kIntent, {.precision = Precision::int8, .attention = AttentionPrecision::fp32}));
}

// The container's sections with one of them changed, sealed again with a checksum that fits.
void rewrite(const fs::path& from, const fs::path& to, const std::string& name, const std::string& content) {
  const auto container = engine::Container::open(from);
  engine::ContainerWriter writer;
  for (const auto& [section, bytes] : container->sections()) {
    section == name ? writer.add_copy(section, content) : writer.add(section, bytes);
  }
  writer.write(to);
}

TEST_CASE("Sections changed at will are refused or run, and nothing else") {
  const TemporaryFolder folder;
  const fs::path file = pack(folder, Precision::int8), bad = folder / "bad.sesame";
  const auto container = engine::Container::open(file);
  std::mt19937 random(7);
  int refused = 0, rounds = 0;
  for (const std::string name : {"graph.onnx", "metadata.json", "tensors/3", "files/config.json"}) {
    const std::string good = container->text(name);
    for (int round = 0; round < 25; ++round, ++rounds) {
      std::string changed = good;
      if (round % 5 == 4) changed.resize(random() % good.size());
      for (int i = 0; i < 3 && !changed.empty(); ++i) changed[random() % changed.size()] = static_cast<char>(random());
      rewrite(file, bad, name, changed);
      try {
        logits(bad, {});
      } catch (const Error& error) {
        CHECK(std::string(error.what()).starts_with(bad.string()));
        CHECK(std::string(error.what()).find('\n') == std::string::npos);
        ++refused;
      }
    }
  }
  CHECK(refused > rounds / 4);
  CHECK(refused < rounds);
}

TEST_CASE("A weight that is no number is named, and no file is left") {
  const TemporaryFolder folder;
  SourceModel source = read_source(kIntent);
  engine::quantized_groups(source.graph);
  for (engine::Node& node : source.graph.nodes) {
    if (!node.is("Linear", engine::kSesame)) continue;
    const engine::Tensor weight = source.graph.constant(node.input(1)).clone();
    weight.data<float>()[7] = std::numeric_limits<float>::quiet_NaN();
    node.inputs[1] = source.graph.add_constant("the weight", weight);
    break;
  }
  quantize_graph(source.graph, Precision::int8);
  CHECK_THROWS_WITH(
      write_packed_model(source, source.graph, {Precision::int8, AttentionPrecision::int8, {}}, folder / "m"),
      Catch::Contains("the weight") && Catch::Contains("element 7") && Catch::Contains("nan"));
  CHECK(folder.files() == 0);
}

}  // namespace
}  // namespace sesame::models
