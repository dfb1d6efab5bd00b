#include "engine/graph.h"

#include <string>
#include <vector>

#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/files.h"

namespace sesame::engine {

namespace {

Node make_node(const std::string& op, std::vector<ValueId> inputs, std::vector<ValueId> outputs) {
  Node node;
  node.op = op;
  node.inputs = std::move(inputs);
  node.outputs = std::move(outputs);
  return node;
}

std::vector<std::string> ops(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes) names.push_back(node.op);
  return names;
}

TEST_CASE("Attributes give their value, the default, or an error that names them") {
  Attributes attributes;
  attributes.set("axis", std::int64_t{-1});
  attributes.set("alpha", 0.5f);
  attributes.set("mode", std::string("linear"));
  attributes.set("perm", std::vector<std::int64_t>{1, 0});
  CHECK(attributes.integer("axis") == -1);
  CHECK(attributes.integer("keepdims", 1) == 1);
  CHECK(attributes.real("alpha") == 0.5f);
  CHECK(attributes.text("mode", "nearest") == "linear");
  CHECK(attributes.integers("perm") == std::vector<std::int64_t>{1, 0});
  CHECK_FALSE(attributes.maybe_integers("pads"));
  CHECK(message_of<Error>([&] { attributes.integer("to"); }) == "attribute 'to' is missing");
  CHECK(message_of<Error>([&] { attributes.real("axis", 1.0f); }) == "attribute 'axis' has an unexpected type");
}

TEST_CASE("A node is described by its name, or by its first output") {
  Graph graph;
  Node node = make_node("MatMul", {}, {graph.add_value("scores")});
  CHECK(describe(graph, node) == "node 'scores' (MatMul)");
  node.name = "attention/MatMul";
  node.domain = "com.microsoft";
  CHECK(describe(graph, node) == "node 'attention/MatMul' (com.microsoft.MatMul)");
}

TEST_CASE("Sorting moves what is out of place and nothing else") {
  Graph graph;
  const ValueId x = graph.add_value("x"), a = graph.add_value("a"), b = graph.add_value("b"), c = graph.add_value("c");
  graph.inputs = {x};
  graph.outputs = {c};
  graph.nodes = {make_node("C", {a, b}, {c}), make_node("B", {x}, {b}), make_node("A", {x, kNoValue}, {a})};
  sort_topologically(graph);
  CHECK(ops(graph) == std::vector<std::string>{"A", "B", "C"});
  sort_topologically(graph);
  CHECK(ops(graph) == std::vector<std::string>{"A", "B", "C"});
}

TEST_CASE("Cycles and undefined values are named") {
  Graph graph;
  const ValueId a = graph.add_value("a"), b = graph.add_value("b");
  graph.nodes = {make_node("A", {b}, {a}), make_node("B", {a}, {b})};
  CHECK(message_of<Error>([&] { sort_topologically(graph); }).find("cycle") != std::string::npos);
  graph.nodes = {make_node("A", {a}, {a})};
  CHECK(message_of<Error>([&] { sort_topologically(graph); }).find("cycle") != std::string::npos);
  graph.nodes = {make_node("A", {b}, {a})};
  CHECK(message_of<Error>([&] { sort_topologically(graph); }).find("'b'") != std::string::npos);
}

TEST_CASE("A chain of any length is sorted") {
  constexpr int kLength = 200'000;
  Graph graph;
  graph.inputs = {graph.add_value("x")};
  for (int i = 0; i < kLength; ++i) graph.add_value("v");
  for (int i = kLength; i > 0; --i) graph.nodes.push_back(make_node("N", {i - 1}, {i}));
  graph.outputs = {kLength};
  sort_topologically(graph);
  CHECK(graph.nodes.front().inputs[0] == 0);
  CHECK(graph.nodes.back().outputs[0] == kLength);
}

TEST_CASE("Dead nodes go, with what only they needed") {
  Graph graph;
  const ValueId x = graph.add_value("x"), a = graph.add_value("a"), b = graph.add_value("b"), c = graph.add_value("c");
  graph.inputs = {x};
  graph.outputs = {a};
  graph.nodes = {make_node("A", {x}, {a}), make_node("B", {a}, {b}), make_node("C", {b}, {c})};
  remove_dead_nodes(graph);
  CHECK(ops(graph) == std::vector<std::string>{"A"});
}

TEST_CASE("Uses knows makers and readers") {
  Graph graph;
  const ValueId x = graph.add_value("x"), a = graph.add_value("a"), b = graph.add_value("b");
  graph.inputs = {x};
  graph.outputs = {a, b};
  graph.nodes = {make_node("A", {x}, {a}), make_node("B", {a, a}, {b})};
  const Uses uses(graph);
  CHECK(uses.producer(x) == nullptr);
  CHECK(uses.producer(kNoValue) == nullptr);
  CHECK(uses.producer(b)->op == "B");
  CHECK(uses.readers(a) == std::vector<int>{1, 1});
  CHECK(uses.has_one_reader(x));
  CHECK_FALSE(uses.has_one_reader(a));
  graph.replace_uses(a, x);
  CHECK(graph.nodes[1].inputs == std::vector<ValueId>{x, x});
  CHECK(graph.outputs[0] == x);
}

}  // namespace

}  // namespace sesame::engine
