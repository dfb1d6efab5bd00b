#include "engine/onnx_writer.h"

#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <string>
#include <vector>

#include "engine/onnx_reader.h"
#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/engine/onnx_models.h"
#include "tests/files.h"

namespace sesame::engine {

namespace {

bool same_tensor(const Tensor& a, const Tensor& b) {
  if (static_cast<bool>(a) != static_cast<bool>(b)) return false;
  if (!a) return true;
  return a.type() == b.type() && a.shape() == b.shape() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

bool same_attribute(const Attribute& a, const Attribute& b) {
  if (a.index() != b.index()) return false;
  return std::visit(
      [&](const auto& x) {
        using T = std::decay_t<decltype(x)>;
        if constexpr (std::is_same_v<T, Tensor>) return same_tensor(x, std::get<T>(b));
        if constexpr (std::is_same_v<T, Subgraph>) return true;
        if constexpr (!std::is_same_v<T, Tensor> && !std::is_same_v<T, Subgraph>) return x == std::get<T>(b);
      },
      a);
}

void check_same_value(const Graph& a, ValueId x, const Graph& b, ValueId y) {
  REQUIRE((x == kNoValue) == (y == kNoValue));
  if (x == kNoValue) return;
  CHECK(a.value(x).name == b.value(y).name);
  CHECK(same_tensor(a.value(x).constant, b.value(y).constant));
}

void check_same_interface(const Graph& a, const std::vector<ValueId>& x, const Graph& b,
                          const std::vector<ValueId>& y) {
  REQUIRE(x.size() == y.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    check_same_value(a, x[i], b, y[i]);
    CHECK(a.value(x[i]).declared_type == b.value(y[i]).declared_type);
    CHECK(a.value(x[i]).declared_shape == b.value(y[i]).declared_shape);
    CHECK(a.value(x[i]).declared_dim_names == b.value(y[i]).declared_dim_names);
  }
}

void check_same_node(const Graph& a, const Node& x, const Graph& b, const Node& y) {
  CHECK(x.op == y.op);
  CHECK(x.domain == y.domain);
  CHECK(x.version == y.version);
  CHECK(x.name == y.name);
  REQUIRE(x.inputs.size() == y.inputs.size());
  REQUIRE(x.outputs.size() == y.outputs.size());
  for (std::size_t i = 0; i < x.inputs.size(); ++i) check_same_value(a, x.inputs[i], b, y.inputs[i]);
  for (std::size_t i = 0; i < x.outputs.size(); ++i) check_same_value(a, x.outputs[i], b, y.outputs[i]);
  REQUIRE(x.attributes.all().size() == y.attributes.all().size());
  for (const auto& [name, value] : x.attributes.all()) CHECK(same_attribute(value, y.attributes.all().at(name)));
}

void check_same_graph(const Graph& a, const Graph& b) {
  CHECK(a.producer_name == b.producer_name);
  CHECK(a.producer_version == b.producer_version);
  CHECK(a.opsets == b.opsets);
  check_same_interface(a, a.inputs, b, b.inputs);
  check_same_interface(a, a.outputs, b, b.outputs);
  REQUIRE(a.nodes.size() == b.nodes.size());
  for (std::size_t n = 0; n < a.nodes.size(); ++n) check_same_node(a, a.nodes[n], b, b.nodes[n]);
}

Node make_node(const std::string& op, std::vector<ValueId> inputs, std::vector<ValueId> outputs) {
  Node node;
  node.op = op;
  node.version = 13;
  node.inputs = std::move(inputs);
  node.outputs = std::move(outputs);
  return node;
}

// Every kind of attribute and element type, an optional input, a constant output.
Graph sample_graph() {
  Graph graph;
  graph.producer_name = "someone";
  graph.producer_version = "1.2";
  graph.opsets = {{"", 13}, {"com.microsoft", 1}};
  const ValueId x = graph.add_value("x");
  graph.value(x).declared_type = DType::f32;
  graph.value(x).declared_shape = Shape{-1, 3, -1};
  graph.value(x).declared_dim_names = {"batch", "", ""};
  std::vector<ValueId> inputs = {x, kNoValue};
  inputs.push_back(graph.add_constant("f", Tensor::of<float>({2, 2}, {1, 2, 3, 4})));
  inputs.push_back(graph.add_constant("d", Tensor::scalar(0.5)));
  inputs.push_back(graph.add_constant("h", Tensor::scalar(Half{0x3C00})));
  inputs.push_back(graph.add_constant("i8", Tensor::of<std::int8_t>({3}, {-1, 0, 1})));
  inputs.push_back(graph.add_constant("u8", Tensor::of<std::uint8_t>({1}, {255})));
  inputs.push_back(graph.add_constant("i32", Tensor::scalar<std::int32_t>(-9)));
  inputs.push_back(graph.add_constant("i64", Tensor::of<std::int64_t>({0}, {})));
  inputs.push_back(graph.add_constant("b", Tensor::scalar(true)));
  const ValueId y = graph.add_value("y");
  graph.value(y).declared_type = DType::f16;
  Node node = make_node("Everything", inputs, {y, kNoValue, graph.add_value("z")});
  node.name = "everything";
  node.domain = "com.microsoft";
  node.version = 1;
  node.attributes.set("i", std::int64_t{-4});
  node.attributes.set("f", 0.1f);
  node.attributes.set("s", std::string("text"));
  node.attributes.set("t", Tensor::of<float>({1}, {7}));
  node.attributes.set("is", std::vector<std::int64_t>{1, -2});
  node.attributes.set("fs", std::vector<float>{0.5f});
  node.attributes.set("ss", std::vector<std::string>{"a", ""});
  graph.nodes.push_back(std::move(node));
  graph.inputs = {x};
  graph.outputs = {y, graph.add_constant("c", Tensor::scalar(2.0f))};
  return graph;
}

TEST_CASE("What was written reads back as the same graph, and the same bytes") {
  const TemporaryFolder folder;
  const Graph graph = sample_graph();
  write_onnx(graph, folder / "a.onnx");
  const Graph again = read_onnx(folder / "a.onnx");
  check_same_graph(graph, again);
  write_onnx(again, folder / "b.onnx");
  CHECK(content_of(folder / "a.onnx") == content_of(folder / "b.onnx"));
  CHECK(folder.files() == 2);
}

TEST_CASE("Any other reader of the format understands the file") {
  const TemporaryFolder folder;
  write_onnx(sample_graph(), folder / "a.onnx");
  onnx::ModelProto model;
  REQUIRE(model.ParseFromString(content_of(folder / "a.onnx")));
  CHECK(model.ir_version() == 8);
  CHECK(model.opset_import_size() == 2);
  CHECK_FALSE(model.graph().name().empty());
  REQUIRE(model.graph().initializer_size() == 9);
  CHECK(model.graph().initializer(0).name() == "f");
  CHECK(model.graph().initializer(0).raw_data() == raw_floats({1, 2, 3, 4}));
  CHECK(model.graph().node(0).input(1).empty());
}

TEST_CASE("Large models keep their constants in a second file") {
  const TemporaryFolder folder;
  Graph graph = sample_graph();
  const ValueId large = graph.add_constant("large", Tensor::of<float>({300}, std::vector<float>(300, 1.5f)));
  const ValueId larger = graph.add_constant("larger", Tensor::of<float>({2000}, std::vector<float>(2000, -3.0f)));
  graph.nodes[0].inputs.insert(graph.nodes[0].inputs.end(), {large, larger});
  write_onnx(graph, folder / "a.onnx", {.external_above = 1000});
  CHECK(std::filesystem::file_size(folder / "a.onnx.data") == 4096 + 8000);
  CHECK(std::filesystem::file_size(folder / "a.onnx") < 2000);
  check_same_graph(graph, read_onnx(folder / "a.onnx"));
}

TEST_CASE("Values get names of their own, those of inputs and outputs staying") {
  const TemporaryFolder folder;
  Graph graph;
  graph.opsets = {{"", 13}};
  const ValueId inner = graph.add_value("y");
  const ValueId nameless = graph.add_value("");
  const ValueId x = graph.add_value("x"), y = graph.add_value("y");
  graph.inputs = {x};
  graph.outputs = {y};
  graph.nodes = {make_node("A", {x}, {inner}), make_node("B", {inner}, {nameless}), make_node("C", {nameless}, {y})};
  write_onnx(graph, folder / "a.onnx");
  const Graph again = read_onnx(folder / "a.onnx");
  CHECK(again.value(again.outputs[0]).name == "y");
  CHECK(again.value(again.nodes[0].outputs[0]).name == "y_1");
  CHECK(again.nodes[2].op == "C");
}

TEST_CASE("Constants that nobody reads are left out") {
  const TemporaryFolder folder;
  Graph graph = sample_graph();
  graph.add_constant("unread", Tensor::of<float>({1000}, std::vector<float>(1000)));
  write_onnx(graph, folder / "a.onnx");
  CHECK(std::filesystem::file_size(folder / "a.onnx") < 2000);
}

TEST_CASE("What ONNX cannot say is refused, and nothing is left behind") {
  const TemporaryFolder folder;
  const auto refusal = [&](const Graph& graph) {
    return message_of<Error>([&] { write_onnx(graph, folder / "a.onnx"); });
  };
  Graph own = sample_graph();
  own.nodes[0].domain = kSesame;
  CHECK(refusal(own) == "node 'everything' (sesame.Everything) cannot be written as ONNX: ONNX has no such operator");
  Graph subgraph = sample_graph();
  subgraph.nodes[0].attributes.set("body", Subgraph{});
  CHECK(refusal(subgraph).find("'body' holds a subgraph") != std::string::npos);
  Graph version = sample_graph();
  version.nodes[0].version = 2;
  CHECK(refusal(version).find("it is of opset 2, the graph of 1") != std::string::npos);
  CHECK(folder.files() == 0);
}

TEST_CASE("A file that cannot be written is named, and an old one stays whole") {
  const TemporaryFolder folder;
  const Graph graph = sample_graph();
  CHECK(message_of<Error>([&] {
          write_onnx(graph, folder / "absent/a.onnx");
        }).find((folder / "absent/a.onnx").string() + ": cannot be written: No such file") == 0);
  CHECK(message_of<Error>([&] { write_onnx(graph, "/dev/null"); }) ==
        "/dev/null: cannot be replaced, not a regular file");

  // A disk that is full after 100 bytes.
  folder.write("a.onnx", "old");
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &old_limit) == 0);
  const rlimit limit{100, old_limit.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  std::string message;
  try {
    write_onnx(graph, folder / "a.onnx");
  } catch (const Error& error) {
    message = error.what();
  }
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &old_limit) == 0);
  std::signal(SIGXFSZ, old_handler);
  CHECK(message == (folder / "a.onnx").string() + ": cannot be written: File too large");
  CHECK(content_of(folder / "a.onnx") == "old");
  CHECK(folder.files() == 1);
}

TEST_CASE("Tensors are written as ONNX's test data has them") {
  const TemporaryFolder folder;
  const Tensor tensor = Tensor::of<std::int64_t>({2, 1}, {-1, 5});
  write_tensor_proto("ids", tensor, folder / "input_0.pb");
  const NamedTensor again = read_tensor_proto(folder / "input_0.pb");
  CHECK(again.name == "ids");
  CHECK(same_tensor(tensor, again.tensor));
}

TEST_CASE("Every conformance model survives being written") {
  const auto shared = shared_material("conformance/models");
  if (!shared) return;
  const TemporaryFolder folder;
  for (const auto& entry : std::filesystem::directory_iterator(*shared)) {
    INFO(entry.path().string());
    const Graph graph = read_onnx(entry.path() / "model.onnx");
    write_onnx(graph, folder / "model.onnx");
    check_same_graph(graph, read_onnx(folder / "model.onnx"));
  }
}

}  // namespace

}  // namespace sesame::engine
