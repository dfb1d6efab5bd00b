#include "engine/onnx_external.h"

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tests/engine/onnx_reading.h"

namespace sesame::engine {

namespace {

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

}  // namespace

}  // namespace sesame::engine
