#include "models/loading.h"

#include "engine/onnx_writer.h"
#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/files.h"
#include "tests/models/prepared.h"
#include "tests/support/small_graph.h"

namespace sesame {
namespace {

using engine::Tensor;
using engine::ValueId;

// Logits of the first token's and the first type's row, from a table of so many types.
void write_classifier(const std::filesystem::path& file, std::int64_t types, bool unknown = false) {
  test::SmallGraph g;
  const ValueId ids = g.input("input_ids", {-1, -1}, engine::DType::i64);
  const ValueId segments = g.input("token_type_ids", {-1, -1}, engine::DType::i64);
  const ValueId words = g.node("Gather", {g.constant(test::random_floats({9, 4}, 1)), ids});
  const ValueId kinds = g.node("Gather", {g.constant(test::random_floats({types, 4}, 2)), segments});
  ValueId sum = g.node("Add", {words, kinds});
  if (unknown) sum = g.node("Frobnicate", {sum}, {}, "com.example");
  const ValueId mean =
      g.node("ReduceMean", {sum}, {{"axes", std::vector<std::int64_t>{1}}, {"keepdims", std::int64_t{0}}});
  g.output(g.node("MatMul", {mean, g.constant(test::random_floats({4, 2}, 3))}));
  g.graph.opsets["com.example"] = 13;
  for (engine::Node& node : g.graph.nodes) node.name = node.op + "_node";
  const ValueId out = g.graph.outputs[0];
  g.graph.value(out).declared_type = engine::DType::f32;
  g.graph.value(out).declared_shape = engine::Shape{-1, 2};
  engine::write_onnx(g.graph, file);
}

TEST_CASE("Where the table of types has one row, every token is of type 0") {
  for (const std::int64_t types : {1, 2}) {
    const test::TempDir folder;
    write_classifier(folder.path() / "model.onnx", types);
    Session session(Model::load(folder.path() / "model.onnx"), {});
    TokenBatch first, second;
    const std::vector<std::int64_t> ids = {1, 2, 3}, zeros = {0, 0, 0}, pair = {0, 1, 1};
    first.add(ids, zeros);
    second.add(ids, pair);
    const auto want = session.classify(first)[0].logits;
    CHECK((session.classify(second)[0].logits == want) == (types == 1));
  }
}

TEST_CASE("A model with an operator that nobody knows is described, and refused by name where it is to run") {
  const test::TempDir folder;
  const auto file = folder.path() / "model.onnx";
  write_classifier(file, 2, true);
  const auto model = load_model(file, {}, MissingOperators::described);
  REQUIRE(model->recognition.unfused.size() == 1);
  CHECK(model->recognition.unfused[0].op == "Frobnicate");
  CHECK(model->recognition.unfused[0].node == "Frobnicate_node");
  CHECK(model->source.operators.at("com.example.Frobnicate") == 1);
  CHECK(model->source.operators.at("Gather") == 2);
  for (const char* part : {"model.onnx", "Frobnicate", "com.example", "13", "Frobnicate_node"}) {
    CHECK_THROWS_WITH(load_model(file, {}), Catch::Contains(part));
  }
}

}  // namespace
}  // namespace sesame
