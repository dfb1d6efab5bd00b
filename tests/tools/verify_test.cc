#include <cmath>
#include <filesystem>
#include <limits>

#include "engine/onnx_writer.h"
#include "tests/catch.h"
#include "tests/tools/command.h"

using namespace sesame;
using namespace sesame::tools;
using namespace sesame::engine;

namespace {

namespace fs = std::filesystem;

// y = a + b over float [dynamic, 2].
Graph sum_graph() {
  Graph graph;
  graph.opsets[std::string(kOnnx)] = 14;
  for (const char* name : {"a", "b", "y"}) {
    const ValueId id = graph.add_value(name);
    graph.value(id).declared_type = DType::f32;
    graph.value(id).declared_shape = Shape{-1, 2};
    graph.value(id).declared_dim_names = {"batch", ""};
    (std::string(name) == "y" ? graph.outputs : graph.inputs).push_back(id);
  }
  Node node;
  node.op = "Add";
  node.version = 14;
  node.inputs = graph.inputs;
  node.outputs = graph.outputs;
  graph.nodes.push_back(node);
  return graph;
}

// A case with one data set: a = [1, 2], b = [10, 20], and this expected output.
void write_case(const fs::path& folder, const std::vector<float>& expected) {
  const fs::path set = folder / "test_data_set_0";
  fs::create_directories(set);
  write_onnx(sum_graph(), folder / "model.onnx");
  write_tensor_proto("a", Tensor::of<float>({1, 2}, {1, 2}), set / "input_0.pb");
  write_tensor_proto("b", Tensor::of<float>({1, 2}, {10, 20}), set / "input_1.pb");
  write_tensor_proto("y", Tensor::of<float>({1, 2}, expected), set / "output_0.pb");
}

Ran verify(const fs::path& folder, const std::vector<std::string>& more = {}) {
  std::vector<std::string> arguments = {"verify", folder.string()};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run_command(arguments);
}

void check_fails(const fs::path& folder, const std::string& reason) {
  const Ran ran = verify(folder);
  CAPTURE(ran.out);
  CHECK(ran.code == 1);
  CHECK(ran.lines().back() == "0 passed, 1 failed");
  CHECK(ran.lines().front().starts_with("FAIL  "));
  CHECK(ran.lines().front().find(reason) != std::string::npos);
}

}  // namespace

TEST_CASE("a case with the right outputs passes, at any depth") {
  const TemporaryFolder folder;
  write_case(folder / "some/where/deep", {11, 22});
  const Ran ran = verify(folder.path());
  CAPTURE(ran.out, ran.err);
  CHECK(ran.code == 0);
  REQUIRE(ran.lines().size() == 2);
  CHECK(ran.lines()[0].starts_with("PASS  "));
  CHECK(ran.lines()[1] == "1 passed, 0 failed");
}

TEST_CASE("a wrong output fails, and its place is named") {
  const TemporaryFolder folder;
  write_case(folder / "case", {11, 22.1f});
  check_fails(folder.path(), "[0, 1]");
}

TEST_CASE("NaN where a number is, and a number where NaN is expected, fail") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const TemporaryFolder expected;
  write_case(expected / "case", {11, nan});
  check_fails(expected.path(), "[0, 1]");

  const TemporaryFolder computed;
  write_case(computed / "case", {11, 22});
  write_tensor_proto("a", Tensor::of<float>({1, 2}, {nan, 2}), computed / "case/test_data_set_0/input_0.pb");
  check_fails(computed.path(), "[0, 0]");

  const TemporaryFolder both;
  write_case(both / "case", {nan, 22});
  write_tensor_proto("a", Tensor::of<float>({1, 2}, {nan, 2}), both / "case/test_data_set_0/input_0.pb");
  CHECK(verify(both.path()).code == 0);
}

TEST_CASE("tolerances are absolute plus relative to the output's largest element") {
  const TemporaryFolder folder;
  write_case(folder / "case", {11, 22.002f});  // off by 0.002 = 0.91e-4 of 22.002
  CHECK(verify(folder.path()).code == 0);
  CHECK(verify(folder.path(), {"--rtol", "8e-5"}).code == 1);
  CHECK(verify(folder.path(), {"--rtol", "0", "--atol", "3e-3"}).code == 0);
  CHECK(verify(folder.path(), {"--rtol", "0", "--atol", "1e-3"}).code == 1);
}

TEST_CASE("data sets must fit the graph: number, type and shape") {
  const TemporaryFolder missing;
  write_case(missing / "case", {11, 22});
  fs::remove(missing / "case/test_data_set_0/input_1.pb");
  check_fails(missing.path(), "expected 2 input files");

  const TemporaryFolder extra;
  write_case(extra / "case", {11, 22});
  write_tensor_proto("c", Tensor::of<float>({1}, {0}), extra / "case/test_data_set_0/input_2.pb");
  check_fails(extra.path(), "input_2.pb");

  const TemporaryFolder no_output;
  write_case(no_output / "case", {11, 22});
  fs::remove(no_output / "case/test_data_set_0/output_0.pb");
  check_fails(no_output.path(), "expected 1 output files");

  const TemporaryFolder mistyped;
  write_case(mistyped / "case", {11, 22});
  write_tensor_proto("a", Tensor::of<std::int64_t>({1, 2}, {1, 2}), mistyped / "case/test_data_set_0/input_0.pb");
  check_fails(mistyped.path(), "'a'");

  const TemporaryFolder misshapen;
  write_case(misshapen / "case", {11, 22});
  write_tensor_proto("y", Tensor::of<float>({2}, {11, 22}), misshapen / "case/test_data_set_0/output_0.pb");
  check_fails(misshapen.path(), "[2]");

  const TemporaryFolder garbage;
  write_case(garbage / "case", {11, 22});
  write_below(garbage, "case/test_data_set_0/input_0.pb", "no tensor");
  check_fails(garbage.path(), "input_0.pb");
}

TEST_CASE("a failing case does not stop the others") {
  const TemporaryFolder folder;
  write_case(folder / "a", {0, 0});
  write_case(folder / "b", {11, 22});
  write_below(folder, "c/model.onnx", "no ONNX");
  write_case(folder / "d", {11, 22});
  const Ran ran = verify(folder.path());
  CAPTURE(ran.out);
  CHECK(ran.code == 1);
  REQUIRE(ran.lines().size() == 5);
  CHECK(ran.lines()[3].starts_with("PASS  "));
  CHECK(ran.lines()[4] == "2 passed, 2 failed");
}

TEST_CASE("every data set counts") {
  const TemporaryFolder folder;
  write_case(folder / "case", {11, 22});
  fs::copy(folder / "case/test_data_set_0", folder / "case/test_data_set_10");
  write_tensor_proto("y", Tensor::of<float>({1, 2}, {11, 23}), folder / "case/test_data_set_10/output_0.pb");
  check_fails(folder.path(), "test_data_set_10");
}

TEST_CASE("a case without data sets passes when it runs") {
  const TemporaryFolder folder;
  write_case(folder / "case", {11, 22});
  fs::remove_all(folder / "case/test_data_set_0");
  const Ran ran = verify(folder.path());
  CHECK(ran.code == 0);
  CHECK(ran.lines().back() == "1 passed, 0 failed");
}

TEST_CASE("finding no case is a failure, whether the folder is empty or missing") {
  const TemporaryFolder folder;
  CHECK(verify(folder.path()).lines().back() == "0 passed, 1 failed");
  CHECK(verify(folder.path()).code == 1);
  CHECK(verify(folder / "none").lines().back() == "0 passed, 1 failed");
}

TEST_CASE("links to folders are followed, and loops end") {
  const TemporaryFolder folder;
  write_case(folder / "real", {11, 22});
  fs::create_directories(folder / "linked");
  fs::create_directory_symlink(folder / "real", folder / "linked/case");
  fs::create_directory_symlink(folder / "linked", folder / "linked/loop");
  CHECK(verify(folder / "linked").lines().back() == "1 passed, 0 failed");
}

TEST_CASE("verify --json is one object with every case") {
  const TemporaryFolder folder;
  write_case(folder / "a", {11, 22});
  write_case(folder / "b", {11, std::numeric_limits<float>::quiet_NaN()});
  const Ran ran = verify(folder.path(), {"--json"});
  CHECK(ran.code == 1);
  const auto json = nlohmann::json::parse(ran.out);
  CHECK(json.at("passed") == 1);
  CHECK(json.at("failed") == 1);
  REQUIRE(json.at("cases").size() == 2);
  CHECK(json["cases"][0].at("passed") == true);
  CHECK(json["cases"][1].at("passed") == false);
  CHECK(json["cases"][1].contains("reason"));
}
