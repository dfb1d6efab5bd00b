#include "engine/folding.h"

#include <cstdint>
#include <string>
#include <vector>

#include "engine/onnx_reader.h"
#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/files.h"

namespace sesame::engine {

namespace {

Node make_node(const std::string& op, std::vector<ValueId> inputs, std::vector<ValueId> outputs) {
  Node node;
  node.op = op;
  node.version = 13;
  node.inputs = std::move(inputs);
  node.outputs = std::move(outputs);
  return node;
}

Node cast_to(std::int64_t type, ValueId input, ValueId output) {
  Node node = make_node("Cast", {input}, {output});
  node.attributes.set("to", type);
  return node;
}

std::vector<std::string> ops(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes) names.push_back(node.op);
  return names;
}

// A graph with the float input x and the output y.
struct Fixture {
  Graph graph;
  ValueId x = graph.add_value("x");
  ValueId y = graph.add_value("y");

  Fixture() {
    graph.opsets = {{"", 13}};
    graph.value(x).declared_type = DType::f32;
    graph.inputs = {x};
    graph.outputs = {y};
  }
  ValueId value(const std::string& name) { return graph.add_value(name); }
  ValueId floats(const std::string& name, const std::vector<float>& values) {
    return graph.add_constant(name, Tensor::of<float>({static_cast<std::int64_t>(values.size())}, values));
  }
};

TEST_CASE("What depends on no input is computed, and its sources given up") {
  Fixture f;
  const ValueId a = f.floats("a", {1, 2}), b = f.floats("b", {10, 20});
  const ValueId sum = f.value("sum"), twice = f.value("twice");
  f.graph.nodes = {make_node("Add", {a, b}, {sum}), make_node("Mul", {sum, b}, {twice}),
                   make_node("Add", {f.x, twice}, {f.y})};
  fold_constants(f.graph);
  CHECK(ops(f.graph) == std::vector<std::string>{"Add"});
  const Tensor& folded = f.graph.constant(f.graph.nodes[0].input(1));
  REQUIRE(folded);
  CHECK(folded.data<float>()[0] == 110);
  CHECK(folded.data<float>()[1] == 440);
  CHECK_FALSE(f.graph.is_constant(a));
  CHECK_FALSE(f.graph.is_constant(sum));
}

TEST_CASE("A constant that a kept node reads as well stays") {
  Fixture f;
  const ValueId a = f.floats("a", {1}), negative = f.value("negative"), h = f.value("h");
  f.graph.nodes = {make_node("Neg", {a}, {negative}), make_node("Add", {f.x, a}, {h}),
                   make_node("Add", {h, negative}, {f.y})};
  fold_constants(f.graph);
  CHECK(ops(f.graph) == std::vector<std::string>{"Add", "Add"});
  CHECK(f.graph.is_constant(a));
}

TEST_CASE("A constant may be all that an output is") {
  Fixture f;
  f.graph.nodes = {make_node("Neg", {f.floats("a", {3})}, {f.y})};
  fold_constants(f.graph);
  CHECK(f.graph.nodes.empty());
  REQUIRE(f.graph.is_constant(f.graph.outputs[0]));
  CHECK(f.graph.constant(f.graph.outputs[0]).data<float>()[0] == -3);
  CHECK(f.graph.value(f.graph.outputs[0]).name == "y");
}

TEST_CASE("Identity, inference Dropout and casts to the same type are taken out") {
  Fixture f;
  const ValueId a = f.value("a"), b = f.value("b"), c = f.value("c"), d = f.value("d");
  f.graph.nodes = {make_node("Identity", {f.x}, {a}), make_node("Dropout", {a}, {b, kNoValue}), cast_to(1, b, c),
                   cast_to(7, c, d), cast_to(7, d, f.y)};
  fold_constants(f.graph);
  REQUIRE(ops(f.graph) == std::vector<std::string>{"Cast"});
  CHECK(f.graph.nodes[0].inputs == std::vector<ValueId>{f.x});
  CHECK(f.graph.nodes[0].outputs == std::vector<ValueId>{f.y});
  CHECK(f.graph.outputs == std::vector<ValueId>{f.y});
}

TEST_CASE("Taking out the node before an output moves the output's name to its maker") {
  Fixture f;
  const ValueId h = f.value("h"), side = f.value("side");
  f.graph.outputs = {f.y, side};
  f.graph.nodes = {make_node("Neg", {f.x}, {h}), make_node("Abs", {h}, {side}), make_node("Identity", {h}, {f.y})};
  fold_constants(f.graph);
  REQUIRE(ops(f.graph) == std::vector<std::string>{"Neg", "Abs"});
  CHECK(f.graph.nodes[0].outputs == std::vector<ValueId>{f.y});
  CHECK(f.graph.nodes[1].inputs == std::vector<ValueId>{f.y});
  CHECK(f.graph.outputs == std::vector<ValueId>{f.y, side});
}

TEST_CASE("An output that is an input keeps its Identity") {
  Fixture f;
  f.graph.nodes = {make_node("Identity", {f.x}, {f.y})};
  fold_constants(f.graph);
  CHECK(ops(f.graph) == std::vector<std::string>{"Identity"});
}

TEST_CASE("Dropout stays when it trains or when its mask is read") {
  Fixture f;
  const ValueId yes = f.graph.add_constant("yes", Tensor::scalar(true));
  const ValueId a = f.value("a"), mask = f.value("mask");
  f.graph.outputs = {f.y, mask};
  f.graph.nodes = {make_node("Dropout", {f.x, kNoValue, yes}, {a}), make_node("Dropout", {a}, {f.y, mask})};
  fold_constants(f.graph);
  CHECK(ops(f.graph) == std::vector<std::string>{"Dropout", "Dropout"});
}

TEST_CASE("Quantized weights are not widened") {
  Fixture f;
  const ValueId weights = f.graph.add_constant("w", Tensor::of<std::int8_t>({2}, {1, 2}));
  const ValueId scale = f.graph.add_constant("s", Tensor::scalar(0.5f));
  const ValueId wide = f.value("wide");
  f.graph.nodes = {make_node("DequantizeLinear", {weights, scale}, {wide}), make_node("Add", {f.x, wide}, {f.y})};
  fold_constants(f.graph);
  CHECK(ops(f.graph) == std::vector<std::string>{"DequantizeLinear", "Add"});
}

TEST_CASE("A few bytes do not become gigabytes") {
  Fixture f;
  const ValueId shape = f.graph.add_constant("shape", Tensor::of<std::int64_t>({2}, {1 << 20, 1 << 20}));
  const ValueId huge = f.value("huge");
  f.graph.nodes = {make_node("ConstantOfShape", {shape}, {huge}), make_node("Add", {f.x, huge}, {f.y})};
  fold_constants(f.graph);
  CHECK(ops(f.graph) == std::vector<std::string>{"ConstantOfShape", "Add"});

  Fixture small;
  const ValueId dims = small.graph.add_constant("shape", Tensor::of<std::int64_t>({1}, {3}));
  small.graph.nodes = {make_node("ConstantOfShape", {dims}, {small.y})};
  fold_constants(small.graph);
  CHECK(small.graph.nodes.empty());
}

TEST_CASE("Many nodes that are each affordable are not folded without end") {
  Fixture f;
  const ValueId shape = f.graph.add_constant("shape", Tensor::of<std::int64_t>({1}, {4 << 20}));
  ValueId last = f.value("filled");
  f.graph.nodes.push_back(make_node("ConstantOfShape", {shape}, {last}));
  for (int i = 0; i < 200; ++i) {
    const ValueId next = f.value("v");
    f.graph.nodes.push_back(make_node("Neg", {last}, {next}));
    last = next;
  }
  f.graph.nodes.push_back(make_node("Add", {f.x, last}, {f.y}));
  fold_constants(f.graph);
  CHECK(f.graph.nodes.size() > 150);
}

TEST_CASE("Operators that nobody implements are left for others to name") {
  Fixture f;
  const ValueId odd = f.value("odd");
  f.graph.nodes = {make_node("QuantumSoftmax", {f.floats("a", {1})}, {odd}), make_node("Add", {f.x, odd}, {f.y})};
  fold_constants(f.graph);
  CHECK(f.graph.nodes.size() == 2);
}

TEST_CASE("A node that cannot be computed is named") {
  Fixture f;
  f.graph.nodes = {make_node("Add", {f.floats("a", {1, 2}), f.floats("b", {1, 2, 3})}, {f.y})};
  const std::string message = message_of<Error>([&] { fold_constants(f.graph); });
  CHECK(message.find("node 'y' (Add): ") == 0);
}

TEST_CASE("Every conformance model is folded into a valid graph") {
  const auto shared = shared_material("conformance/models");
  if (!shared) return;
  for (const auto& entry : std::filesystem::directory_iterator(*shared)) {
    INFO(entry.path().string());
    Graph graph = read_onnx(entry.path() / "model.onnx");
    const std::size_t before = graph.nodes.size();
    std::vector<std::string> names;
    for (ValueId id : graph.outputs) names.push_back(graph.value(id).name);
    fold_constants(graph);
    CHECK(graph.nodes.size() <= before);
    CHECK_NOTHROW(sort_topologically(graph));
    for (std::size_t i = 0; i < names.size(); ++i) CHECK(graph.value(graph.outputs[i]).name == names[i]);
  }
}

}  // namespace

}  // namespace sesame::engine
