#include "engine/onnx_reader.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/engine/onnx_models.h"
#include "tests/files.h"

namespace sesame::engine {

namespace {

Graph read(const TemporaryFolder& folder, const onnx::ModelProto& model) {
  return read_onnx(folder.write("model.onnx", model.SerializeAsString()));
}

// What read_onnx says of the model, after the file's name.
std::string refusal(const TemporaryFolder& folder, const std::string& bytes) {
  const auto file = folder.write("model.onnx", bytes);
  const std::string message = message_of<Error>([&] { read_onnx(file); });
  const std::string prefix = file.string() + ": ";
  REQUIRE(message.substr(0, prefix.size()) == prefix);
  CHECK(std::none_of(message.begin(), message.end(), [](char c) { return c >= 0 && c < 0x20; }));
  return message.substr(prefix.size());
}
std::string refusal(const onnx::ModelProto& model) {
  const TemporaryFolder folder;
  return refusal(folder, model.SerializeAsString());
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::vector<std::string> ops(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes) names.push_back(node.op);
  return names;
}

std::vector<std::string> names(const Graph& graph, const std::vector<ValueId>& ids) {
  std::vector<std::string> all;
  for (ValueId id : ids) all.push_back(id == kNoValue ? "-" : graph.value(id).name);
  return all;
}

template <class T>
std::vector<T> values(const Tensor& tensor) {
  const auto span = tensor.span<T>();
  return {span.begin(), span.end()};
}

// --- Models ---

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

// --- Functions ---

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

// --- Tensors ---

NamedTensor read_message(const TemporaryFolder& folder, const std::string& message) {
  return read_tensor_proto(folder.write("tensor.pb", message));
}

std::string tensor_refusal(const std::string& message) {
  const TemporaryFolder folder;
  return message_of<Error>([&] { read_message(folder, message); }).substr((folder / "tensor.pb: ").string().size());
}

std::string packed(const std::vector<std::int64_t>& values) {
  std::string out;
  for (std::int64_t v : values) append_varint(out, static_cast<std::uint64_t>(v));
  return out;
}

TEST_CASE("Typed data of every type is decoded") {
  const TemporaryFolder folder;
  const auto with_field = [](std::int32_t type, std::int64_t count, std::uint64_t number, const std::string& data) {
    std::string message = tensor_head("t", type, {count});
    append_bytes_field(message, number, data);
    return message;
  };
  const auto read_field = [&](std::int32_t type, std::int64_t count, std::uint64_t number, const std::string& data) {
    return read_message(folder, with_field(type, count, number, data)).tensor;
  };
  CHECK(values<float>(read_field(1, 2, 4, raw_floats({1.5f, -2}))) == std::vector<float>{1.5f, -2});
  const double doubles[] = {0.25, -1e300};
  CHECK(values<double>(read_field(11, 2, 10, {reinterpret_cast<const char*>(doubles), sizeof doubles})) ==
        std::vector<double>{0.25, -1e300});
  CHECK(values<std::int32_t>(read_field(6, 2, 5, packed({-5, 7}))) == std::vector<std::int32_t>{-5, 7});
  CHECK(values<std::int8_t>(read_field(3, 3, 5, packed({-128, 0, 127}))) == std::vector<std::int8_t>{-128, 0, 127});
  CHECK(values<std::uint8_t>(read_field(2, 2, 5, packed({255, 1}))) == std::vector<std::uint8_t>{255, 1});
  CHECK(values<bool>(read_field(9, 2, 5, packed({1, 0}))) == std::vector<bool>{true, false});
  constexpr auto kLowest = std::numeric_limits<std::int64_t>::min();
  CHECK(values<std::int64_t>(read_field(7, 2, 7, packed({kLowest, 3}))) == std::vector<std::int64_t>{kLowest, 3});
  CHECK(read_field(10, 1, 5, packed({0x3C00})).data<Half>()->bits == 0x3C00);
  CHECK(values<float>(read_field(16, 1, 5, packed({0x3F80}))) == std::vector<float>{1});

  CHECK(tensor_refusal(with_field(7, 3, 7, packed({1, 2}))) == "tensor 't': shape [3]: expected 3 elements, found 2");
  CHECK(contains(tensor_refusal(with_field(1, 2, 4, "12345")), "ends inside an element"));
}

TEST_CASE("Typed data may come one field an element") {
  const TemporaryFolder folder;
  std::string message = tensor_head("t", 7, {2});
  append_varint_field(message, 7, 11);
  append_varint_field(message, 7, 12);
  CHECK(values<std::int64_t>(read_message(folder, message).tensor) == std::vector<std::int64_t>{11, 12});
}

TEST_CASE("Raw data is right at any address") {
  const TemporaryFolder folder;
  for (std::size_t shift = 0; shift < 8; ++shift) {
    std::string message = tensor_head(std::string(shift + 1, 'n'), 1, {2, 1});
    append_bytes_field(message, 9, raw_floats({3, 4}));
    const NamedTensor read = read_message(folder, message);
    CHECK(read.name.size() == shift + 1);
    CHECK(reinterpret_cast<std::uintptr_t>(read.tensor.raw()) % 4 == 0);
    CHECK(read.tensor.shape() == Shape{2, 1});
    CHECK(values<float>(read.tensor) == std::vector<float>{3, 4});
  }
}

TEST_CASE("Raw bytes become what their type may hold") {
  const TemporaryFolder folder;
  std::string bools = tensor_head("b", 9, {3});
  append_bytes_field(bools, 9, std::string("\x00\x01\x02", 3));
  CHECK(values<bool>(read_message(folder, bools).tensor) == std::vector<bool>{false, true, true});
  std::string widened = tensor_head("w", 16, {2});
  append_bytes_field(widened, 9, std::string("\x80\x3F\x00\xC0", 4));
  const Tensor tensor = read_message(folder, widened).tensor;
  CHECK(tensor.type() == DType::f32);
  CHECK(values<float>(tensor) == std::vector<float>{1, -2});
  CHECK(read_message(folder, tensor_head("none", 1, {0, 5})).tensor.shape() == Shape{0, 5});
}

TEST_CASE("Tensors whose parts do not fit are refused with their name") {
  const auto with_raw = [](std::int32_t type, const std::vector<std::int64_t>& dims, const std::string& raw) {
    std::string message = tensor_head("emb\n", type, dims);
    append_bytes_field(message, 9, raw);
    return message;
  };
  CHECK(tensor_refusal(with_raw(1, {2, 3}, "12345678")) == "tensor 'emb?': shape [2, 3]: expected 24 bytes, found 8");
  CHECK(tensor_refusal(with_raw(1, {-2}, "")) == "tensor 'emb?': negative dim -2 in shape [-2]");
  CHECK(contains(tensor_refusal(with_raw(1, {1LL << 40, 1LL << 40}, "")), "dims product overflows"));
  CHECK(contains(tensor_refusal(with_raw(1, {1LL << 50}, "")), "expected 1125899906842624 elements, found 0"));
  CHECK(tensor_refusal(with_raw(8, {1}, "")) == "tensor 'emb?': unsupported element type string");
  CHECK(tensor_refusal(with_raw(77, {1}, "")) == "tensor 'emb?': unknown element type 77");
  CHECK(tensor_refusal(with_raw(0, {1}, "")) == "tensor 'emb?': unsupported element type undefined");
  CHECK(contains(tensor_refusal(with_raw(1, std::vector<std::int64_t>(65, 1), "1234")), "at most 64 dimensions"));
}

// --- External data ---

onnx::ModelProto external_model(const std::vector<std::pair<std::string, std::string>>& entries) {
  auto model = matmul_model();
  auto& tensor = *model.mutable_graph()->mutable_initializer(0);
  tensor.clear_raw_data();
  tensor.set_data_location(1);
  for (const auto& [key, value] : entries) {
    auto& entry = *tensor.add_external_data();
    entry.set_key(key);
    entry.set_value(value);
  }
  return model;
}

std::string external_refusal(const TemporaryFolder& folder,
                             const std::vector<std::pair<std::string, std::string>>& entries) {
  return refusal(folder, external_model(entries).SerializeAsString());
}

TEST_CASE("External data is read at its offset, aligned or not") {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "sub");
  for (const std::string offset : {"0", "4", "5"}) {
    folder.write("sub/weights.bin", std::string(std::stoul(offset), 'x') + raw_floats({1, 2, 3, 4, 5, 6}) + "more");
    const Graph graph =
        read(folder, external_model({{"location", "sub/weights.bin"}, {"offset", offset}, {"length", "24"}}));
    CHECK(values<float>(graph.constant(graph.nodes[0].input(1))) == std::vector<float>{1, 2, 3, 4, 5, 6});
  }
}

TEST_CASE("External data may lie in many files, and far beyond 2 GB") {
  const TemporaryFolder folder;
  auto model = external_model({{"location", "w.bin"}, {"offset", "8"}, {"length", "24"}});
  folder.write("w.bin", std::string(8, 'x') + raw_floats({1, 2, 3, 4, 5, 6}));
  const auto place = [&](const std::string& name, const std::string& file, const std::string& offset) {
    auto& tensor = *model.mutable_graph()->add_initializer();
    tensor = model.graph().initializer(0);
    tensor.set_name(name);
    tensor.clear_external_data();
    for (const auto& [key, value] : {std::pair{std::string("location"), file}, {std::string("offset"), offset}}) {
      auto& entry = *tensor.add_external_data();
      entry.set_key(key);
      entry.set_value(value);
    }
    *model.mutable_graph()->add_node() = node("Add", {"y", name}, {"with_" + name});
    *model.mutable_graph()->add_output() = tensor_info("with_" + name, 1, {});
  };
  // A hole but for its end: no space on the disk, none of memory.
  const std::string far = "5368709120";
  std::filesystem::resize_file(folder.write("far.bin", ""), std::stoull(far));
  std::ofstream(folder / "far.bin", std::ios::binary | std::ios::app) << raw_floats({7, 8, 9, 10, 11, 12});
  place("far", "far.bin", far);
  folder.write("other.bin", raw_floats({13, 14, 15, 16, 17, 18, 19}));
  place("other", "other.bin", "0");
  place("again", "other.bin", "4");
  const Graph graph = read(folder, model);
  const auto weight = [&](std::size_t n) { return values<float>(graph.constant(graph.nodes[n].input(1))); };
  CHECK(weight(0) == std::vector<float>{1, 2, 3, 4, 5, 6});
  CHECK(weight(1) == std::vector<float>{7, 8, 9, 10, 11, 12});
  CHECK(weight(2) == std::vector<float>{13, 14, 15, 16, 17, 18});
  CHECK(weight(3) == std::vector<float>{14, 15, 16, 17, 18, 19});
}

TEST_CASE("External data that is not there, or too short, is refused") {
  const TemporaryFolder folder;
  folder.write("weights.bin", std::string(24, 'x'));
  CHECK(external_refusal(folder, {{"location", "absent.bin"}}) ==
        "tensor 'w': external data file absent.bin not found");
  CHECK(contains(external_refusal(folder, {{"offset", "0"}}), "external data without a location"));
  CHECK(contains(external_refusal(folder, {{"location", "weights.bin"}, {"offset", "4"}}),
                 "expected 24 bytes at offset 4, the file has 24"));
  CHECK(contains(external_refusal(folder, {{"location", "weights.bin"}, {"offset", "18446744073709551615"}}),
                 "the file has 24"));
  CHECK(contains(external_refusal(folder, {{"location", "weights.bin"}, {"length", "23"}}),
                 "expected 24 bytes, its length says 23"));
  CHECK(contains(external_refusal(folder, {{"location", "weights.bin"}, {"offset", "-1"}}),
                 "offset: expected a number, found '-1'"));
  CHECK(contains(external_refusal(folder, {{"location", "."}}), "not a regular file inside the model folder"));
  CHECK(contains(external_refusal(folder, {{"location", std::string("weights.bin\0x", 13)}}), "refused"));
}

TEST_CASE("External data stays inside the model's folder") {
  const TemporaryFolder outside;
  outside.write("weights.bin", raw_floats({1, 2, 3, 4, 5, 6}));
  const TemporaryFolder folder;
  const std::string refused = "external data outside the model folder refused";
  CHECK(contains(external_refusal(folder, {{"location", (outside / "weights.bin").string()}}), refused));
  const std::string up = "../" + outside.path().filename().string() + "/weights.bin";
  CHECK(contains(external_refusal(folder, {{"location", up}}), refused));
  CHECK(contains(external_refusal(folder, {{"location", "sub/../" + up}}), refused));
  CHECK(contains(external_refusal(folder, {{"location", "/dev/zero"}}), refused));
  std::filesystem::create_symlink(outside / "weights.bin", folder / "link.bin");
  CHECK(contains(external_refusal(folder, {{"location", "link.bin"}}), refused));
  std::filesystem::create_directory_symlink(outside.path(), folder / "dir");
  CHECK(contains(external_refusal(folder, {{"location", "dir/weights.bin"}}), refused));
}

TEST_CASE("A model and its data may be links into one folder, as in a download cache") {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "blobs");
  std::filesystem::create_directories(folder / "snapshot");
  folder.write("blobs/1234", external_model({{"location", "weights.bin"}}).SerializeAsString());
  folder.write("blobs/5678", raw_floats({1, 2, 3, 4, 5, 6}));
  std::filesystem::create_symlink("../blobs/1234", folder / "snapshot/model.onnx");
  std::filesystem::create_symlink("../blobs/5678", folder / "snapshot/weights.bin");
  CHECK(read_onnx(folder / "snapshot/model.onnx").nodes.size() == 1);
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
