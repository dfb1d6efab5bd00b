// Damaged models: whatever the bytes, reading ends in a graph or in an Error. The sanitizers watch.
#include <algorithm>
#include <cstdint>
#include <random>
#include <string>

#include "engine/folding.h"
#include "engine/onnx_reader.h"
#include "engine/onnx_writer.h"
#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/engine/onnx_models.h"
#include "tests/files.h"

namespace sesame::engine {

namespace {

// A little of everything that the reader knows.
std::string seed_model() {
  onnx::ModelProto model = matmul_model();
  auto& function = *model.add_functions();
  function.set_domain("local");
  function.set_name("F");
  function.add_input("v");
  function.add_output("r");
  *function.add_attribute_proto() = attribute("to", 1);
  *function.add_node() = node("Cast", {"v"}, {"r"});
  *function.mutable_node(0)->add_attribute() = reference("to", "to");
  import_opset(model, "local", 1);
  auto& graph = *model.mutable_graph();
  *graph.add_node() = node("F", {"y"}, {"z"}, "local");
  auto& constant = *graph.add_node();
  constant = node("Constant", {}, {"c"});
  auto& value = *constant.add_attribute();
  value.set_name("value");
  value.set_type(4);
  *value.mutable_t() = float_tensor("", {2}, {1, 2});
  *graph.add_node() = node("Add", {"c", "c"}, {"cc"});
  *graph.add_node() = node("Mul", {"z", "cc"}, {"out"});
  *graph.add_output() = tensor_info("out", 1, {"batch", "2"});
  auto& external = *graph.add_initializer();
  external = float_tensor("e", {1}, {1});
  external.clear_raw_data();
  external.set_data_location(1);
  external.add_external_data()->set_key("location");
  external.mutable_external_data(0)->set_value("weights.bin");
  return model.SerializeAsString();
}

std::string damaged(std::string bytes, std::mt19937& random) {
  const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
  const std::size_t changes = 1 + below(4);
  for (std::size_t i = 0; i < changes && !bytes.empty(); ++i) {
    const std::size_t at = below(bytes.size());
    switch (below(5)) {
      case 0:
        bytes.resize(at);
        break;
      case 1:
        bytes[at] = static_cast<char>(below(256));
        break;
      case 2:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
        break;
      case 3:
        bytes.insert(at, bytes.substr(below(bytes.size()), below(20) + 1));
        break;
      default:
        bytes.erase(at, below(4) + 1);
    }
  }
  return bytes;
}

TEST_CASE("Damaged models end in a graph or in an error") {
  constexpr unsigned kSeed = 20240607;
  const TemporaryFolder folder;
  folder.write("weights.bin", raw_floats({7}));
  const std::string seed = seed_model();
  CHECK_NOTHROW(read_onnx(folder.write("model.onnx", seed)));

  std::mt19937 random(kSeed);
  int graphs = 0;
  int errors = 0;
  for (int i = 0; i < 6000; ++i) {
    const auto file = folder.write("model.onnx", damaged(seed, random));
    try {
      Graph graph = read_onnx(file);
      fold_constants(graph);
      write_onnx(graph, folder / "again.onnx");
      read_onnx(folder / "again.onnx");
      ++graphs;
    } catch (const Error& error) {
      const std::string message = error.what();
      CHECK(message.size() < 3000);
      CHECK(std::none_of(message.begin(), message.end(), [](char c) { return c >= 0 && c < 0x20; }));
      ++errors;
    }
  }
  INFO("seed " << kSeed << ": " << graphs << " graphs, " << errors << " errors");
  CHECK(graphs > 100);
  CHECK(errors > 1000);
}

TEST_CASE("Random bytes end in an error") {
  std::mt19937 random(7);
  const TemporaryFolder folder;
  for (int i = 0; i < 1000; ++i) {
    std::string bytes(1 + random() % 200, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    CHECK_THROWS_AS(read_onnx(folder.write("model.onnx", bytes)), Error);
  }
}

}  // namespace

}  // namespace sesame::engine
