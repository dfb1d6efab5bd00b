#include "engine/shape_probe.h"

#include <numeric>
#include <vector>

#include "tests/catch.h"
#include "tests/support/small_graph.h"

namespace sesame::engine {
namespace {

using test::SmallGraph;

const ProbedDim kBatch = ShapeProbe::symbol(0);
const ProbedDim kLength = ShapeProbe::symbol(1);

TEST_CASE("Symbolic dimensions move, fixed ones stay, and what follows is known by both") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1, -1, 6});
  const ValueId y = g.node("Transpose", {x}, {{"perm", std::vector<std::int64_t>{1, 0, 2}}});
  g.output(y);
  const ShapeProbe probe(g.graph);
  CHECK(*probe.shape(y) == ProbedShape{kLength, kBatch, {6, 6}});
  CHECK(probe.type(y) == DType::f32);
  CHECK_FALSE(probe.follows_from_shapes(y));
}

TEST_CASE("What is computed from shapes is known with its values") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1, -1}, DType::i64);
  const ValueId length = g.node("Gather", {g.node("Shape", {x}), g.constant(Tensor::scalar<std::int64_t>(1))});
  const ValueId positions = g.node(
      "Range", {g.constant(Tensor::scalar<std::int64_t>(0)), length, g.constant(Tensor::scalar<std::int64_t>(1))});
  g.output(positions);
  const ShapeProbe probe(g.graph);
  CHECK(*probe.shape(positions) == ProbedShape{kLength});
  REQUIRE(probe.follows_from_shapes(positions));
  std::vector<std::int64_t> ascending(static_cast<std::size_t>(kLength.second));
  std::iota(ascending.begin(), ascending.end(), 0);
  CHECK(to_int64s(probe.value(positions)) == ascending);
}

TEST_CASE("What follows from shapes is computed at any size, and what stays is told from what moves") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1, -1, 6}, DType::i64);
  const auto dim = [&](std::int64_t axis) {
    return g.node("Gather", {g.node("Shape", {x}), g.constant(Tensor::scalar(axis))});
  };
  const ValueId length = dim(1), width = dim(2);
  const ValueId area = g.node("Mul", {g.node("Mul", {dim(0), length}), width});
  g.output(area);
  g.output(g.node("Neg", {x}));
  const ShapeProbe probe(g.graph);
  CHECK(to_int64s(probe.value_at(area, 2, 500)) == std::vector<std::int64_t>{2 * 500 * 6});
  CHECK(to_int64s(probe.value_at(area, 1, 20)) == std::vector<std::int64_t>{20 * 6});
  CHECK(to_int64s(probe.value_at(area, 2, 500)) == std::vector<std::int64_t>{2 * 500 * 6});
  CHECK_FALSE(probe.value_at(g.graph.outputs[1], 2, 500));
  CHECK_FALSE(probe.constant(length));
  CHECK(to_int64s(probe.constant(width)) == std::vector<std::int64_t>{6});
}

TEST_CASE("What would take very much memory is not computed") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1, -1}, DType::i64);
  const ValueId huge = g.node(
      "ConstantOfShape", {g.node("Mul", {g.node("Shape", {x}), g.constant(Tensor::scalar<std::int64_t>(100000))})});
  g.output(huge);
  CHECK_FALSE(ShapeProbe(g.graph).value_at(huge, 1, 512));
}

TEST_CASE("What depends on values, on unknown operators or on nothing at all is unknown") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1});
  const ValueId where = g.node("NonZero", {x});
  const ValueId odd = g.node("QuantumSoftmax", {x});
  const ValueId after = g.node("Neg", {odd});
  const ValueId short_of_inputs = g.node("Add", {x});
  const ShapeProbe probe(g.graph);
  for (ValueId id : {where, odd, after, short_of_inputs, kNoValue}) {
    CHECK_FALSE(probe.shape(id));
    CHECK(probe.rank(id) == 0);
    CHECK_FALSE(probe.follows_from_shapes(id));
  }
}

TEST_CASE("Shapes that do not fit leave unknowns and throw nothing") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1, 3});
  const ValueId y = g.node("MatMul", {x, g.constant(Tensor::allocate(DType::f32, {4, 5}))});
  g.output(y);
  CHECK_FALSE(ShapeProbe(g.graph).shape(y));
}

TEST_CASE("Large values are described and not computed") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1});
  const ValueId large = g.node("ConstantOfShape", {g.ints({1 << 10, 1 << 10})});
  ValueId small = g.node("ConstantOfShape", {g.ints({1 << 15})});
  std::vector<ValueId> many;
  for (int i = 0; i < 300; ++i) many.push_back(small = g.node("Neg", {small}));
  g.output(g.node("Neg", {x}));
  const ShapeProbe probe(g.graph);
  CHECK(probe.shape(large));
  CHECK_FALSE(probe.follows_from_shapes(large));
  CHECK(probe.follows_from_shapes(many.front()));
  CHECK_FALSE(probe.follows_from_shapes(many.back()));  // 300 of them are too many
}

TEST_CASE("An axis with a name that another axis had is as long as that one") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1, -1});
  const ValueId pairs = g.input("pairs", {-1, -1, -1});
  g.graph.value(x).declared_dim_names = {"batch", "length"};
  g.graph.value(pairs).declared_dim_names = {"batch", "length", "length"};
  CHECK(*ShapeProbe(g.graph).shape(pairs) == ProbedShape{kBatch, kLength, kLength});
}

TEST_CASE("Without names, two axes are equally long where only that fits") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1, -1});
  const ValueId pairs = g.input("pairs", {-1, -1, -1});
  const ValueId column = g.node("Unsqueeze", {x, g.ints({2})});
  const ValueId sum = g.node("Add", {g.node("Add", {pairs, column}), g.node("Unsqueeze", {x, g.ints({1})})});
  g.output(sum);
  CHECK(*ShapeProbe(g.graph).shape(sum) == ProbedShape{kBatch, kLength, kLength});
}

TEST_CASE("Lengths of different names are different ones, unless they have to be one") {
  for (const bool joined : {false, true}) {
    SmallGraph g;
    const ValueId x = g.input("x", {-1, -1}), y = g.input("y", {-1, -1});
    g.graph.value(x).declared_dim_names = {"batch", "x_length"};
    g.graph.value(y).declared_dim_names = {"batch", "y_length"};
    const ValueId result = joined ? g.node("Add", {x, y}) : g.node("Neg", {y});
    g.output(result);
    const ShapeProbe probe(g.graph);
    REQUIRE(probe.shape(result));
    CHECK((probe.shape(x)->back() == probe.shape(y)->back()) == joined);
  }
}

}  // namespace
}  // namespace sesame::engine
