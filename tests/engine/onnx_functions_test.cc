#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "engine/onnx_graph_builder.h"
#include "tests/engine/onnx_reading.h"

namespace sesame::engine {

namespace {

// y = Twice(x), where Twice(v) = Own(Own(v, axis=at), axis=at), and `at` is 5 unless the call says otherwise.
onnx::ModelProto function_model() {
  auto model = matmul_model();
  import_opset(model, "local", 1);
  auto& function = *model.add_functions();
  function.set_domain("local");
  function.set_name("Twice");
  function.add_input("v");
  function.add_output("result");
  *function.add_attribute_proto() = attribute("at", 5);
  import_opset(model, "own", 2);
  auto& import = *function.add_opset_import();
  import.set_domain("own");
  import.set_version(4);
  auto& first = *function.add_node();
  first = node("Own", {"v"}, {"h"}, "own");
  *first.add_attribute() = reference("axis", "at");
  *first.add_attribute() = reference("left_out", "nobody_says");
  auto& second = *function.add_node();
  second = node("Own", {"h"}, {"result"}, "own");
  *second.add_attribute() = reference("axis", "at");
  *model.mutable_graph()->mutable_node(0) = node("Twice", {"x"}, {"y"}, "local");
  return model;
}

TEST_CASE("Functions are inlined with their attributes and opsets") {
  const TemporaryFolder folder;
  auto model = function_model();
  auto& call = *model.mutable_graph()->add_node();
  call = node("Twice", {"y"}, {"z"}, "local");
  *call.add_attribute() = attribute("at", 8);
  *model.mutable_graph()->add_output() = tensor_info("z", 1, {});
  const Graph graph = read(folder, model);
  REQUIRE(ops(graph) == std::vector<std::string>(4, "Own"));
  CHECK(graph.nodes[0].attributes.integer("axis") == 5);
  CHECK_FALSE(graph.nodes[0].attributes.has("left_out"));
  CHECK(graph.nodes[2].attributes.integer("axis") == 8);
  CHECK(graph.nodes[0].version == 4);
  CHECK(names(graph, graph.outputs) == std::vector<std::string>{"y", "z"});
  std::set<std::string> unique;
  for (std::size_t v = 0; v < graph.value_count(); ++v) unique.insert(graph.value(static_cast<ValueId>(v)).name);
  CHECK(unique.size() == graph.value_count());
}

TEST_CASE("Functions of one name are told apart by their overloads") {
  const TemporaryFolder folder;
  auto model = function_model();
  const auto overload = [&](const std::string& name, const std::string& op, std::int64_t at) {
    auto& function = *model.add_functions();
    function = model.functions(0);
    function.set_overload(name);
    for (auto& inner : *function.mutable_node()) inner.set_op_type(op);
    function.mutable_attribute_proto(0)->set_i(at);
    auto& call = *model.mutable_graph()->add_node();
    call = node("Twice", {"y"}, {"of_" + name}, "local");
    call.set_overload(name);
    *model.mutable_graph()->add_output() = tensor_info("of_" + name, 1, {});
  };
  overload("wide", "Wide", 6);
  overload("narrow", "Narrow", 7);
  const Graph graph = read(folder, model);
  CHECK(ops(graph) == std::vector<std::string>{"Own", "Own", "Wide", "Wide", "Narrow", "Narrow"});
  for (std::size_t n = 0; n < 6; ++n) {
    CHECK(graph.nodes[n].attributes.integer("axis") == 5 + static_cast<std::int64_t>(n / 2));
  }
  model.mutable_graph()->mutable_node(0)->set_overload("unknown");
  CHECK(ops(read(folder, model))[0] == "Twice");  // an operator that nobody has
}

TEST_CASE("Functions call functions, hand inputs through, and do without optional inputs") {
  const TemporaryFolder folder;
  auto model = function_model();
  auto& outer = *model.add_functions();
  outer.set_domain("local");
  outer.set_name("Outer");
  for (const char* name : {"a", "b"}) outer.add_input(name);
  for (const char* name : {"a", "r"}) outer.add_output(name);
  *outer.add_node() = node("Twice", {"a"}, {"t"}, "local");
  *outer.add_node() = node("Join", {"t", "b"}, {"r"}, "own");
  *model.mutable_graph()->mutable_node(0) = node("Outer", {"x"}, {"y", "z"}, "local");
  *model.mutable_graph()->add_output() = tensor_info("z", 1, {});
  const Graph graph = read(folder, model);
  CHECK(ops(graph) == std::vector<std::string>{"Identity", "Own", "Own", "Join"});
  CHECK(names(graph, graph.nodes[0].inputs) == std::vector<std::string>{"x"});
  CHECK(names(graph, graph.nodes[3].inputs)[1] == "-");
}

TEST_CASE("Functions that cannot be inlined are refused") {
  auto recursive = function_model();
  *recursive.mutable_functions(0)->add_node() = node("Twice", {"v"}, {"loop"}, "local");
  CHECK(contains(refusal(recursive), "the function calls itself"));

  auto mutual = function_model();
  auto& other = *mutual.add_functions();
  other.set_domain("local");
  other.set_name("Other");
  *other.add_node() = node("Twice", {}, {}, "local");
  *mutual.mutable_functions(0)->add_node() = node("Other", {}, {}, "local");
  CHECK(contains(refusal(mutual), "the function calls itself"));

  auto arguments = function_model();
  arguments.mutable_graph()->mutable_node(0)->add_input("x");
  CHECK(contains(refusal(arguments), "expected at most 1 inputs and 1 outputs as its function has, found 2 and 1"));

  auto outside = matmul_model();
  *outside.mutable_graph()->mutable_node(0)->add_attribute() = reference("axis", "at");
  CHECK(contains(refusal(outside), "refers to a function's and is in none"));
}

TEST_CASE("Functions that make a graph of any size out of a small file are refused") {
  onnx::ModelProto model = matmul_model();
  const auto name = [](int level) { return "Level" + std::to_string(level); };
  for (int level = 0; level < 30; ++level) {
    auto& function = *model.add_functions();
    function.set_domain("local");
    function.set_name(name(level));
    for (int call = 0; call < 4; ++call) *function.add_node() = node(name(level + 1), {}, {}, "local");
  }
  *model.mutable_graph()->add_node() = node(name(0), {}, {}, "local");
  CHECK(contains(refusal(model), "its functions, inlined, make too large a graph"));
}

}  // namespace

}  // namespace sesame::engine
