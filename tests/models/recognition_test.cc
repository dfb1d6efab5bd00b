#include "models/recognition.h"

#include "engine/compare.h"
#include "kernels/isa.h"
#include "models/loading.h"
#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/files.h"
#include "tests/models/prepared.h"
#include "tests/support/conformance.h"

namespace sesame::models {
namespace {

using engine::Graph;
using engine::Node;
using engine::ValueId;
using test::run;

// Exports whose every layer has to be recognised, and the norms that their heads keep.
const std::vector<std::pair<const char*, int>> kExports = {
    {"distilbert-seqcls-op11", 0}, {"distilbert-seqcls-op14", 0}, {"distilbert-qa-op13", 0}, {"bert-seqcls-op11", 0},
    {"bert-seqcls-op17", 0},       {"bert-tokcls-op12", 0},       {"bert-qa-op13", 0},       {"bert-mlm-op13", 1},
    {"bert-model-pooler-op14", 0}, {"bert-odd-dims-op14", 0},     {"bert-relkey-op14", 0},   {"mpnet-model-op14", 0},
    {"deberta-v3-seqcls-op14", 0}, {"roberta-seqcls-op13", 0}};

// The rest of the families and exporters: every layer has to be recognised, in whatever struct.
const char* const kFamilies[] = {
    "albert-seqcls-op13",      "albert-smiles-mlm",          "bert-external-data",      "bert-fixed-shape",
    "bert-fp16-weights",       "bert-gelu-new-op14",         "bert-nofold-op13",        "bert-only-ids-op14",
    "bert-ortbasic",           "bert-ortfused-ext",          "bert-ortopt-attention",   "bert-ortopt-rawmask",
    "bert-relkey-op14",        "deberta-v3-seqcls-op14",     "distilbert-int32-inputs", "distilbert-ortfused-ext",
    "distilbert-ortopt",       "distilbert-sinusoidal-op13", "electra-seqcls-op14",     "flaubert-seqcls-op13",
    "layoutlm-tokcls-op14",    "minilm-embed-op14",          "mobilebert-seqcls-op13",  "mpnet-model-op14",
    "roberta-ortopt-fastgelu", "roberta-seqcls-op13",        "squeezebert-seqcls-op13", "tf-bert-qa-keras2onnx",
    "xlm-roberta-tokcls-op14"};

// An operator that a recognised layer leaves none of; heads have products by constants only, which are Linears.
bool is_of_a_layer(const Node& node) {
  for (const char* op : {"MatMul", "Gemm", "Softmax", "Erf", "LayerNormalization", "ReduceMean", "Sqrt", "Transpose"}) {
    if (node.is(op)) return true;
  }
  return false;
}

TEST_CASE("Plans of recognised exports hold no operator of a layer, and give the export's answers at every level") {
  const auto shared = shared_material("conformance/models");
  if (!shared) return;
  for (const auto& [name, norms_of_head] : kExports) {
    INFO(name);
    const auto model = load_model(*shared / name / "model.onnx", {});
    const Recognition& r = model->recognition;
    CHECK(r.layers_total > 0);
    CHECK(r.layers_recognised == r.layers_total);
    CHECK(r.unfused.empty());
    const Graph& graph = model->plan->graph();
    int left = 0;
    for (const Node& node : graph.nodes) left += is_of_a_layer(node) ? 1 : 0;
    CHECK(left == norms_of_head);
    CHECK(test::count(graph, "LayerNormalization") == norms_of_head);
    CHECK(test::count(graph, "Encoder") == 1);

    const auto sets = test::read_data_sets(*shared / name);
    CHECK_FALSE(sets.empty());
    for (const auto& set : sets) {
      std::vector<engine::Tensor> scalar;
      for (kernels::Isa isa : kernels::supported_isas()) {
        for (int threads : {1, 3}) {
          const auto got = run(*model->plan, set.inputs, {.isa = isa, .threads = threads, .padded_positions = true});
          REQUIRE(got.size() == set.outputs.size());
          if (scalar.empty()) scalar = got;
          for (std::size_t i = 0; i < got.size(); ++i) {
            const engine::Comparison c = engine::compare(got[i], set.outputs[i]);
            INFO(set.name << " " << kernels::name(isa) << ": " << c.problem);
            CHECK(c.passed);
            CHECK(test::equal_bits(got[i], scalar[i]));
          }
        }
      }
    }
  }
}

TEST_CASE("Every family's layers are recognised, whoever exported them") {
  const auto shared = shared_material("conformance/models");
  if (!shared) return;
  for (const char* name : kFamilies) {
    INFO(name);
    const auto model = load_model(*shared / name / "model.onnx", {});
    const Recognition& r = model->recognition;
    CHECK(r.layers_total > 0);
    CHECK(r.layers_recognised == r.layers_total);
    CHECK(r.unfused.empty());
    const Graph& graph = model->plan->graph();
    CHECK(test::count(graph, "Softmax") == 0);
    CHECK(test::count(graph, "Encoder") + test::count(graph, "RowEncoder") >= 1);
  }
}

TEST_CASE("Layers that share their weights take the memory of one") {
  const auto shared = shared_material("conformance/models/albert-smiles-mlm");
  if (!shared) return;
  const auto model = load_model(*shared / "model.onnx", {});
  CHECK(model->recognition.layers_recognised == 12);
  CHECK(static_cast<double>(model->weight_bytes) < 1.3 * static_cast<double>(model->source.bytes));
}

TEST_CASE("Without types the position table is still told from the table of types") {
  const auto shared = shared_material("conformance/models/bert-only-ids-op14");
  if (!shared) return;
  Graph graph = normal_graph(*shared / "model.onnx");
  const Recognition r = recognise_encoders(graph, AttentionPrecision::fp32);
  CHECK(r.layers_recognised == r.layers_total);
  REQUIRE(r.position_rows);
  CHECK(*r.position_rows > 2);
}

Graph classifier(const char* architecture = "bert") {
  return normal_graph(synthesis::tiny(architecture, synthesis::Task::sequence_classification));
}

std::size_t last(const Graph& graph, const std::string& op) {
  std::size_t found = graph.nodes.size();
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (graph.nodes[n].op == op) found = n;
  }
  REQUIRE(found < graph.nodes.size());
  return found;
}

// Both ways give the same; returns what was recognised.
Recognition compared(const Graph& graph) {
  const auto inputs = padded(graph, made_up({4, 7, 2}, 120), 7);
  Prepared fused = prepare(graph);
  const auto want = run(*prepare(graph, {.recognise = false}).plan, inputs);
  const auto got = run(*fused.plan, inputs);
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    const engine::Comparison c = engine::compare(got[i], want[i]);
    INFO("output " << i << ": " << c.problem);
    CHECK(c.passed);
  }
  return fused.recognition;
}

TEST_CASE("Hidden states that are outputs cut the encoder between its layers") {
  Graph graph = classifier();
  for (const Node& node : std::vector<Node>(graph.nodes)) {
    if (node.is("LayerNormalization")) graph.outputs.push_back(node.outputs[0]);
  }
  const Recognition r = compared(graph);
  // The norm inside a layer is read by others than the layer, so it is computed for them apart.
  CHECK(r.layers_total == 2);
}

TEST_CASE("The output of a layer may be an output of the graph") {
  Graph graph = classifier();
  std::vector<ValueId> norms;
  for (const Node& node : graph.nodes) {
    if (node.is("LayerNormalization")) norms.push_back(node.outputs[0]);
  }
  REQUIRE(norms.size() == 5);
  graph.outputs.push_back(norms[2]);
  graph.outputs.push_back(norms[4]);
  const Recognition r = compared(graph);
  CHECK(r.layers_recognised == 2);
  CHECK(r.unfused.empty());  // two encoders of a layer each
}

TEST_CASE("Two heads may read the same hidden state, its first row or all of it") {
  for (const char* op : {"Gather", "Neg"}) {
    Graph graph = classifier("distilbert");
    const std::size_t gather = last(graph, "Gather");
    REQUIRE(graph.nodes[gather].attributes.integer("axis") == 1);
    Node second = graph.nodes[gather];
    if (std::string(op) == "Neg") {
      second.op = "Neg";
      second.inputs.resize(1);
      second.attributes = {};
    }
    second.outputs = {graph.add_value("second")};
    graph.outputs.push_back(second.outputs[0]);
    graph.nodes.push_back(second);
    CHECK(compared(graph).layers_recognised == 2);
  }
}

TEST_CASE("Two encoders in one graph are two steps") {
  Graph graph = classifier("distilbert");
  std::map<ValueId, ValueId> twin;
  const std::vector<Node> nodes = graph.nodes;
  for (Node node : nodes) {
    for (ValueId& id : node.inputs) {
      if (twin.contains(id)) id = twin[id];
    }
    for (ValueId& id : node.outputs) id = twin[id] = graph.add_value("twin");
    graph.nodes.push_back(node);
  }
  graph.outputs.push_back(twin[graph.outputs[0]]);
  Graph copy = graph;
  const Recognition r = recognise_encoders(copy, AttentionPrecision::fp32);
  CHECK(r.layers_recognised == 4);
  CHECK(test::count(copy, "Encoder") == 2);
  compared(graph);
}

// Every node of a whole model once with a part missing: refused or run, never read out of bounds.
TEST_CASE("Malformed nodes are refused or left, wherever they are") {
  const Graph whole = classifier();
  const auto inputs = padded(whole, made_up({4, 2}, 120), 4);
  int ran = 0;
  int refused = 0;
  for (std::size_t n = 0; n < whole.nodes.size(); ++n) {
    const std::size_t arity = whole.nodes[n].inputs.size();
    for (std::size_t change = 0; change < 2 * arity + 3; ++change) {
      Graph graph = whole;
      Node& node = graph.nodes[n];
      if (change < arity) {
        node.inputs.resize(change);
      } else if (change < 2 * arity) {
        node.inputs[change - arity] = engine::kNoValue;
      } else if (change == 2 * arity) {
        node.outputs.insert(node.outputs.begin(), engine::kNoValue);
      } else if (change == 2 * arity + 1) {
        node.outputs.push_back(graph.add_value("more"));
        graph.outputs.push_back(node.outputs.back());
      } else {
        node.attributes.set("axis", std::int64_t{-77});
      }
      try {
        run(*prepare(std::move(graph),
                     {.linears = change % 2 == 1 ? engine::LinearPrecision::int8 : engine::LinearPrecision::fp32})
                 .plan,
            inputs);
        ++ran;
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  CHECK(refused > 0);
  CHECK(ran > 0);
}

TEST_CASE("A mask of another type than it is read as is refused") {
  Graph graph = classifier();
  for (engine::DType type : {engine::DType::f64, engine::DType::boolean, engine::DType::i64}) {
    Graph other = graph;
    for (Node& node : other.nodes) {
      if (node.is("Cast")) {
        node.attributes.set("to", std::int64_t{type == engine::DType::f64       ? 11
                                               : type == engine::DType::boolean ? 9
                                                                                : 7});
      }
    }
    try {
      run(*prepare(other).plan, padded(other, made_up({4, 2}, 120), 4));
      FAIL("expected an error");
    } catch (const Error&) {
    }
  }
}

TEST_CASE("What the file says of itself") {
  const Graph graph = classifier();
  const SourceGraph source = describe_source(graph);
  CHECK(source.operators.at("sesame.Linear") == 14);
  CHECK(source.quantization.empty());
  CHECK(source.bytes == source.parameters * 4);
  CHECK(source.opset.at("ai.onnx") == 14);
}

}  // namespace
}  // namespace sesame::models
