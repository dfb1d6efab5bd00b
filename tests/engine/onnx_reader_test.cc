#include "engine/onnx_reader.h"

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "tests/engine/onnx_reading.h"

namespace sesame::engine {

namespace {

TEST_CASE("A model becomes a graph") {
  const TemporaryFolder folder;
  const Graph graph = read(folder, matmul_model());
  CHECK(graph.producer_name == "test");
  CHECK(graph.opsets.at("") == 13);
  CHECK(names(graph, graph.inputs) == std::vector<std::string>{"x"});
  CHECK(names(graph, graph.outputs) == std::vector<std::string>{"y"});
  REQUIRE(graph.nodes.size() == 1);
  CHECK(graph.nodes[0].is("MatMul"));
  CHECK(graph.nodes[0].version == 13);
  const Tensor& w = graph.constant(graph.nodes[0].input(1));
  CHECK(w.shape() == Shape{3, 2});
  CHECK(values<float>(w) == std::vector<float>{1, 2, 3, 4, 5, 6});
  const Value& x = graph.value(graph.inputs[0]);
  CHECK(x.declared_type == DType::f32);
  CHECK(*x.declared_shape == Shape{-1, 3});
  CHECK(x.declared_dim_names == std::vector<std::string>{"batch", ""});
  CHECK(*graph.value(graph.outputs[0]).declared_shape == Shape{-1, 2});
}

TEST_CASE("Inputs that are initializers are constants") {
  const TemporaryFolder folder;
  auto model = matmul_model();
  *model.mutable_graph()->add_input() = tensor_info("w", 1, {"3", "2"});
  CHECK(names(read(folder, model), read(folder, model).inputs) == std::vector<std::string>{"x"});
}

TEST_CASE("Nodes are put in order; empty names are no value") {
  const TemporaryFolder folder;
  auto model = matmul_model();
  auto& graph = *model.mutable_graph();
  graph.mutable_node()->Clear();
  *graph.add_node() = node("Clip", {"h", "", "w"}, {"y", ""});
  *graph.add_node() = node("MatMul", {"x", "w"}, {"h"});
  const Graph read_graph = read(folder, model);
  CHECK(ops(read_graph) == std::vector<std::string>{"MatMul", "Clip"});
  CHECK(names(read_graph, read_graph.nodes[1].inputs) == std::vector<std::string>{"h", "-", "w"});
  CHECK(names(read_graph, read_graph.nodes[1].outputs) == std::vector<std::string>{"y", "-"});
}

TEST_CASE("Domains get the versions that the model imports") {
  const TemporaryFolder folder;
  auto model = matmul_model();
  import_opset(model, "ai.onnx", 17);
  import_opset(model, "com.example", 3);
  auto& graph = *model.mutable_graph();
  *graph.add_node() = node("Gelu", {"x"}, {"g"}, "com.microsoft");
  *graph.add_node() = node("Own", {"x"}, {"o"}, "com.example");
  *graph.add_node() = node("Relu", {"x"}, {"r"}, "ai.onnx");
  const Graph read_graph = read(folder, model);
  CHECK(read_graph.opsets.at("") == 17);
  CHECK(read_graph.nodes[1].version == 1);
  CHECK(read_graph.nodes[2].version == 3);
  CHECK(read_graph.nodes[3].is("Relu"));
  CHECK(read_graph.nodes[3].version == 17);
}

TEST_CASE("Opsets that are missing or impossible are refused") {
  auto model = matmul_model();
  model.clear_opset_import();
  CHECK(refusal(model) == "no opset import");
  import_opset(model, "com.microsoft", 1);
  CHECK(contains(refusal(model), "no opset import for the domain ai.onnx"));
  import_opset(model, "", -3);
  CHECK(contains(refusal(model), "invalid version -3"));
}

TEST_CASE("Attributes of every kind are read") {
  const TemporaryFolder folder;
  auto model = matmul_model();
  auto& proto = *model.mutable_graph()->add_node();
  proto = node("Mixed", {"x"}, {"m"});
  const auto add = [&](const std::string& name, int type) -> onnx::AttributeProto& {
    auto& attribute = *proto.add_attribute();
    attribute.set_name(name);
    if (type != 0) attribute.set_type(type);
    return attribute;
  };
  add("f", 1).set_f(0.5f);
  add("i", 2).set_i(-7);
  add("s", 3).set_s("text");
  *add("t", 4).mutable_t() = float_tensor("", {}, {2});
  add("g", 5).mutable_g();
  add("floats", 6).add_floats(1);
  add("ints", 7).add_ints(3);
  add("strings", 8).add_strings("a");
  add("empty", 7);
  add("untyped", 0).set_i(4);
  add("zero", 1);  // a writer that leaves out zeros
  add("type", 13).mutable_tp();
  const Graph graph = read(folder, model);
  const Attributes& attributes = graph.nodes[1].attributes;
  CHECK(attributes.real("f") == 0.5f);
  CHECK(attributes.integer("i") == -7);
  CHECK(attributes.text("s") == "text");
  CHECK(values<float>(attributes.tensor("t")) == std::vector<float>{2});
  CHECK(std::holds_alternative<Subgraph>(attributes.all().at("g")));
  CHECK(attributes.reals("floats") == std::vector<float>{1});
  CHECK(attributes.integers("ints") == std::vector<std::int64_t>{3});
  CHECK(std::get<std::vector<std::string>>(attributes.all().at("strings")) == std::vector<std::string>{"a"});
  CHECK(attributes.integers("empty").empty());
  CHECK(attributes.integer("untyped") == 4);
  CHECK(attributes.real("zero") == 0.0f);
  CHECK(std::holds_alternative<Subgraph>(attributes.all().at("type")));

  proto.mutable_attribute(0)->set_type(99);
  CHECK(contains(refusal(model), "node 'Mixed_m' (Mixed): attribute 'f' has the unknown type 99"));
}

TEST_CASE("Constant nodes become constants, whatever attribute they use") {
  const TemporaryFolder folder;
  auto model = matmul_model();
  auto& graph = *model.mutable_graph();
  const auto constant = [&](const std::string& output, const std::string& name, int type) -> onnx::AttributeProto& {
    auto& proto = *graph.add_node();
    proto = node("Constant", {}, {output});
    *graph.add_output() = tensor_info(output, 1, {});
    auto& attribute = *proto.add_attribute();
    attribute.set_name(name);
    attribute.set_type(type);
    return attribute;
  };
  *constant("tensor", "value", 4).mutable_t() = float_tensor("", {2}, {1, 2});
  constant("real", "value_float", 1).set_f(0.5f);
  constant("reals", "value_floats", 6).add_floats(3);
  constant("integer", "value_int", 2).set_i(4);
  constant("integers", "value_ints", 7).add_ints(5);
  const Graph read_graph = read(folder, model);
  CHECK(ops(read_graph) == std::vector<std::string>{"MatMul"});
  const auto constant_of = [&](std::size_t output) { return read_graph.constant(read_graph.outputs[output]); };
  CHECK(values<float>(constant_of(1)) == std::vector<float>{1, 2});
  CHECK(constant_of(2).shape().empty());
  CHECK(values<float>(constant_of(2)) == std::vector<float>{0.5f});
  CHECK(values<float>(constant_of(3)) == std::vector<float>{3});
  CHECK(values<std::int64_t>(constant_of(4)) == std::vector<std::int64_t>{4});
  CHECK(constant_of(5).shape() == Shape{1});

  constant("text", "value_string", 3).set_s("a");
  CHECK(contains(refusal(model), "unsupported element type string"));
  graph.mutable_node(graph.node_size() - 1)->mutable_attribute(0)->set_name("sparse_value");
  CHECK(contains(refusal(model), "sparse"));
  graph.mutable_node(graph.node_size() - 1)->clear_attribute();
  CHECK(contains(refusal(model), "attribute 'value' is missing"));
}

TEST_CASE("What a graph gets wrong is named") {
  auto twice = matmul_model();
  *twice.mutable_graph()->add_node() = node("Relu", {"x"}, {"y"});
  CHECK(refusal(twice) == "node 'Relu_y' (Relu): tensor written twice: 'y'");

  auto onto_input = matmul_model();
  *onto_input.mutable_graph()->add_node() = node("Relu", {"x"}, {"x"});
  CHECK(contains(refusal(onto_input), "tensor written twice: 'x'"));

  auto undefined = matmul_model();
  undefined.mutable_graph()->mutable_node(0)->set_input(1, "nowhere\n");
  CHECK(contains(refusal(undefined), "node 'MatMul_y' (MatMul) reads the undefined tensor nowhere?"));

  auto no_nodes = matmul_model();
  no_nodes.mutable_graph()->clear_node();
  CHECK(contains(refusal(no_nodes), "graph output never computed: no node makes 'y'"));

  auto no_outputs = matmul_model();
  no_outputs.mutable_graph()->clear_output();
  CHECK(refusal(no_outputs) == "the graph has no outputs");

  auto cycle = matmul_model();
  cycle.mutable_graph()->mutable_node(0)->set_input(0, "y");
  CHECK(contains(refusal(cycle), "cycle"));

  auto initializers = matmul_model();
  *initializers.mutable_graph()->add_initializer() = initializers.graph().initializer(0);
  CHECK(refusal(initializers) == "initializer 'w' is there twice");

  auto inputs = matmul_model();
  *inputs.mutable_graph()->add_input() = inputs.graph().input(0);
  CHECK(refusal(inputs) == "graph input 'x' is there twice");

  auto sparse = matmul_model();
  sparse.mutable_graph()->add_sparse_initializer();
  CHECK(contains(refusal(sparse), "sparse initializers"));
}

TEST_CASE("Inputs that are no tensors of numbers are refused") {
  auto model = matmul_model();
  auto& type = *model.mutable_graph()->mutable_input(0)->mutable_type();
  type.mutable_tensor_type()->set_elem_type(8);
  CHECK(refusal(model) == "graph input 'x': unsupported input type string");
  type.mutable_tensor_type()->set_elem_type(77);
  CHECK(refusal(model) == "graph input 'x': unsupported input type 77");
  type.clear_tensor_type();
  type.mutable_sequence_type();
  CHECK(refusal(model) == "graph input 'x': unsupported input type sequence");
}

// --- Files that are no models ---

TEST_CASE("Other files are called what they are") {
  const TemporaryFolder folder;
  const auto is = [&](const std::string& bytes, const std::string& expected) {
    const std::string message = refusal(folder, bytes);
    INFO(message);
    CHECK(contains(message, "not an ONNX file"));
    CHECK(contains(message, expected));
  };
  is(std::string("PK\x03\x04") + std::string(50, '\1'), "a zip archive");
  is("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "a git-lfs pointer, not the model");
  is("<!DOCTYPE html>\n<html></html>\n", "an HTML page");
  is("{\"model_type\": \"bert\"}", "a JSON file");
  is("hello, world\n", "a text file");
  is(std::string("\x1F\x8B\x08\0", 4), "a gzip archive");
  is(std::string("\x08\0\0\0\0\0\0\0{\"a\":1}", 15), "a safetensors file");
  is(std::string("\x08\x08", 2), "no graph");
  is(std::string("\xFF\xFF\xFF"), "not an ONNX file");
}

TEST_CASE("A file that was cut short is truncated at every length") {
  const TemporaryFolder folder;
  const std::string whole = matmul_model().SerializeAsString();
  for (std::size_t size = 1; size < whole.size(); ++size) {
    const std::string message = refusal(folder, whole.substr(0, size));
    INFO(size << ": " << message);
    const bool at_a_boundary = contains(message, "no graph") || contains(message, "no opset import");
    CHECK((contains(message, "truncated") || contains(message, "not an ONNX file") || at_a_boundary));
  }
  CHECK(contains(refusal(folder, whole.substr(0, whole.size() - 1)), "truncated: the file ends at byte"));
}

TEST_CASE("Damage inside the model is told from a foreign file") {
  const TemporaryFolder folder;
  auto model = matmul_model();
  model.clear_graph();
  std::string bytes = model.SerializeAsString();
  append_bytes_field(bytes, 7, "\x0A\x7F");  // a node longer than its graph
  CHECK(contains(refusal(folder, bytes), "damaged ONNX file"));
}

TEST_CASE("Each bad model that loading can see through is refused in the words expected") {
  const auto folder = shared_material("conformance/bad-models");
  if (!folder) return;
  const auto expected = nlohmann::json::parse(content_of(*folder / "expected.json"));
  // These are wrong in a way that only the operators know.
  const std::set<std::string> for_operators = {"unknown-op",         "matmul-shape-mismatch", "attribute-missing",
                                               "transpose-bad-perm", "axis-out-of-range",     "too-few-inputs",
                                               "weights-nan",        "scale-negative",        "scale-nan",
                                               "scale-inf",          "zero-point-shape",      "huge-runtime-tensor"};
  for (const auto& [name, words] : expected.items()) {
    const auto file = *folder / name / "model.onnx";
    INFO(name);
    if (for_operators.count(name) != 0) {
      CHECK_NOTHROW(read_onnx(file));
      continue;
    }
    const std::string message = message_of<Error>([&] { read_onnx(file); });
    INFO(message);
    CHECK(contains(message, file.string() + ": "));
    CHECK(contains(message, words.get<std::string>()));
    CHECK(message.size() < 500);
  }
}

TEST_CASE("Every conformance model and tensor is read") {
  const auto folder = shared_material("conformance");
  if (!folder) return;
  int models = 0;
  int tensors = 0;
  for (const char* part : {"models", "onnx-node"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(*folder / part)) {
      INFO(entry.path().string());
      if (entry.path().extension() == ".onnx") {
        CHECK_FALSE(read_onnx(entry.path()).outputs.empty());
        ++models;
      } else if (entry.path().extension() == ".pb") {
        CHECK(read_tensor_proto(entry.path()).tensor.has_data());
        ++tensors;
      }
    }
  }
  CHECK(models >= 398);
  CHECK(tensors >= 398);
}

}  // namespace

}  // namespace sesame::engine
