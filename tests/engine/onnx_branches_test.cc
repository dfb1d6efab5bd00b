// An If in a file whose condition is known when it is read.
#include <string>
#include <vector>

#include "engine/onnx_reader.h"
#include "engine/plan.h"
#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/engine/onnx_models.h"
#include "tests/files.h"
#include "tests/support/small_graph.h"

namespace sesame::engine {
namespace {

onnx::TensorProto bool_tensor(const std::string& name, bool value) {
  onnx::TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(9);
  tensor.set_raw_data(std::string(1, value ? '\1' : '\0'));
  return tensor;
}

onnx::TensorProto integer(const std::string& name, std::int64_t value) {
  onnx::TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(7);
  tensor.set_raw_data(std::string(reinterpret_cast<const char*>(&value), sizeof value));
  return tensor;
}

void set_branch(onnx::NodeProto& node, const std::string& name, const onnx::GraphProto& branch) {
  auto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(5);
  *attribute.mutable_g() = branch;
}

// y = x + 10 by an initializer of its own, or what is around it.
onnx::GraphProto adding() {
  onnx::GraphProto branch;
  *branch.add_initializer() = float_tensor("ten", {}, {10});
  *branch.add_node() = node("Add", {"x", "ten"}, {"inside"});
  *branch.add_output() = tensor_info("inside", 1, {});
  return branch;
}

onnx::GraphProto handing_through() {
  onnx::GraphProto branch;
  *branch.add_output() = tensor_info("x", 1, {});
  return branch;
}

// if condition: y = x + 10, else y = x; x [rows, 3]
onnx::ModelProto model_with_if(const std::string& rows) {
  onnx::ModelProto model = matmul_model();
  auto& graph = *model.mutable_graph();
  graph.clear_node();
  graph.clear_initializer();
  *graph.mutable_input(0) = tensor_info("x", 1, {rows, "3"});
  *graph.mutable_output(0) = tensor_info("y", 1, {});
  return model;
}

void add_if(onnx::ModelProto& model) {
  auto& conditional = *model.mutable_graph()->add_node();
  conditional = node("If", {"condition"}, {"y"});
  set_branch(conditional, "then_branch", adding());
  set_branch(conditional, "else_branch", handing_through());
}

// Whether axis `axis` of x has `size` elements.
onnx::ModelProto model_of_size(const std::string& rows, std::int64_t axis, std::int64_t size) {
  onnx::ModelProto model = model_with_if(rows);
  auto& graph = *model.mutable_graph();
  *graph.add_initializer() = integer("axis", axis);
  *graph.add_initializer() = integer("size", size);
  *graph.add_node() = node("Shape", {"x"}, {"shape"});
  *graph.add_node() = node("Gather", {"shape", "axis"}, {"dimension"});
  *graph.add_node() = node("Equal", {"dimension", "size"}, {"condition"});
  add_if(model);
  return model;
}

Graph read(const onnx::ModelProto& model) {
  const TemporaryFolder folder;
  return read_onnx(folder.write("model.onnx", model.SerializeAsString()));
}

float first_of_answer(const onnx::ModelProto& model) {
  return test::run(read(model), {Tensor::of<float>({1, 3}, {1, 2, 3})})[0].data<float>()[0];
}

TEST_CASE("An If by a constant is the branch that it takes") {
  for (const bool condition : {true, false}) {
    onnx::ModelProto model = model_with_if("rows");
    *model.mutable_graph()->add_initializer() = bool_tensor("condition", condition);
    add_if(model);
    CHECK(test::count(read(model), "If") == 0);
    CHECK(first_of_answer(model) == (condition ? 11 : 1));
  }
}

TEST_CASE("An If by a size that is the same for all inputs is decided, by one that is not it stays") {
  CHECK(first_of_answer(model_of_size("rows", 1, 3)) == 11);
  CHECK(first_of_answer(model_of_size("rows", 1, 1)) == 1);
  CHECK(first_of_answer(model_of_size("1", 0, 1)) == 11);
  CHECK(test::count(read(model_of_size("rows", 0, 1)), "If") == 1);
  onnx::ModelProto unknown = model_with_if("rows");
  auto& graph = *unknown.mutable_graph();
  *graph.add_node() = node("IsNaN", {"x"}, {"condition"});
  add_if(unknown);
  CHECK(test::count(read(unknown), "If") == 1);
}

TEST_CASE("An If in an If, in the branch of each, keeps its names apart") {
  onnx::ModelProto model = model_with_if("rows");
  auto& graph = *model.mutable_graph();
  *graph.add_initializer() = bool_tensor("condition", true);
  onnx::GraphProto outer;
  *outer.add_node() = node("Neg", {"x"}, {"negative"});
  auto& inner = *outer.add_node();
  inner = node("If", {"condition"}, {"sum"});
  set_branch(inner, "then_branch", adding());
  set_branch(inner, "else_branch", handing_through());
  *outer.add_node() = node("Mul", {"sum", "negative"}, {"inside"});
  *outer.add_output() = tensor_info("inside", 1, {});
  auto& conditional = *graph.add_node();
  conditional = node("If", {"condition"}, {"y"});
  set_branch(conditional, "then_branch", outer);
  set_branch(conditional, "else_branch", handing_through());
  CHECK(first_of_answer(model) == -11);
}

TEST_CASE("Branches that say too little are refused or left") {
  onnx::ModelProto nameless = model_with_if("rows");
  auto& graph = *nameless.mutable_graph();
  *graph.add_initializer() = bool_tensor("condition", true);
  onnx::GraphProto branch = adding();
  branch.mutable_initializer(0)->clear_name();
  auto& conditional = *graph.add_node();
  conditional = node("If", {"condition"}, {"y"});
  set_branch(conditional, "then_branch", branch);
  CHECK_THROWS_AS(read(nameless), Error);
  graph.mutable_node(0)->mutable_attribute(0)->mutable_g()->clear_output();
  CHECK(test::count(read(nameless), "If") == 1);
}

}  // namespace
}  // namespace sesame::engine
