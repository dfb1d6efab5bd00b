#include "engine/normal_forms/matcher.h"

#include "tests/catch.h"
#include "tests/support/small_graph.h"

namespace sesame::engine {
namespace {

using tests::SmallGraph;

TEST_CASE("Scalars and vectors are told by rank, type and size") {
  SmallGraph g;
  const ValueId scalar = g.scalar(2), one = g.floats({2}), two = g.floats({2, 3});
  const ValueId deep = g.constant(Tensor::of<float>({1, 1}, {2}));
  const ValueId integer = g.ints({2});
  const ValueId wide = g.constant(Tensor::scalar(2.0));
  const Matcher m(g.graph);
  for (ValueId id : {scalar, one, wide}) CHECK(m.scalar(id) == 2.0f);
  for (ValueId id : {two, deep, integer, kNoValue}) CHECK_FALSE(m.scalar(id));
  CHECK(m.is_scalar(scalar, 2.000001f));
  CHECK_FALSE(m.is_scalar(scalar, 2.0001f));
  CHECK(m.is_vector(two));
  CHECK(m.is_vector(two, 2));
  CHECK_FALSE(m.is_vector(two, 3));
  for (ValueId id : {scalar, deep, integer, kNoValue}) CHECK_FALSE(m.is_vector(id));
}

TEST_CASE("Operands are found in either order, and missing ones are none") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1}), c = g.scalar(2);
  const ValueId a = g.node("Add", {x, c}), b = g.node("Add", {c, x}), one = g.node("Add", {x}),
                none = g.node("Add", {});
  const Matcher m(g.graph);
  for (ValueId id : {a, b}) {
    const auto split = m.constant_operand(*m.made_by(id, "Add"));
    REQUIRE(split);
    CHECK(split->constant == c);
    CHECK(split->other == x);
    CHECK(Matcher::other_operand(*m.made_by(id, "Add"), x) == c);
  }
  for (ValueId id : {one, none}) {
    CHECK_FALSE(m.constant_operand(*m.made_by(id, "Add")));
    CHECK(Matcher::other_operand(*m.made_by(id, "Add"), x) == kNoValue);
  }
  CHECK(m.made_by(x, "Add") == nullptr);
  CHECK(m.made_by(kNoValue, "Add") == nullptr);
  CHECK(m.made_by(a, "Add", kMicrosoft) == nullptr);
  CHECK(m.uses().readers(kNoValue).empty());
  CHECK_FALSE(m.uses().has_one_reader(kNoValue));
}

}  // namespace
}  // namespace sesame::engine
