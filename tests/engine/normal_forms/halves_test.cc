#include "engine/compare.h"
#include "engine/normal_forms/normal_forms.h"
#include "tests/catch.h"
#include "tests/support/small_graph.h"

namespace sesame::engine {
namespace {

using test::count;
using test::random_floats;
using test::run;
using test::SmallGraph;

Tensor halves(const Tensor& floats) {
  Tensor t = Tensor::allocate(DType::f16, floats.shape());
  for (std::int64_t i = 0; i < t.size(); ++i) t.data<Half>()[i] = to_half(floats.data<float>()[i]);
  return t;
}

TEST_CASE("A float16 graph computes in float32 and keeps the types of its inputs and outputs") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1, 6}, DType::f16);
  const ValueId w = g.constant(halves(random_floats({6, 4}, 1)));
  const ValueId y = g.node("MatMul", {x, w});
  g.output(g.node("Add", {y, g.constant(halves(random_floats({4}, 2)))}));
  g.output(y);
  const Tensor input = halves(random_floats({3, 6}, 3));
  const auto want = run(g.graph, {input});
  CHECK(widen_halves(g.graph));
  for (std::size_t v = 0; v < g.graph.value_count(); ++v) {
    const Tensor& t = g.graph.value(static_cast<ValueId>(v)).constant;
    if (t) CHECK(t.type() == DType::f32);
  }
  const auto got = run(g.graph, {input});
  REQUIRE(got.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    const Comparison c = compare(got[i], want[i], {.absolute = 1e-3, .relative = 1e-3});
    INFO(c.problem);
    CHECK(got[i].type() == DType::f16);
    CHECK(c.passed);
  }
}

TEST_CASE("An output that is a float16 constant stays one, and is float32 to its readers") {
  SmallGraph g;
  const ValueId x = g.input("x", {2});
  const ValueId c = g.constant(halves(random_floats({2}, 1)));
  g.output(c);
  g.output(g.node("Add", {g.node("Cast", {x}, {{"to", std::int64_t{10}}}), c}));
  const auto want = run(g.graph, {random_floats({2}, 2)});
  CHECK(widen_halves(g.graph));
  const auto got = run(g.graph, {random_floats({2}, 2)});
  CHECK(test::equal_bits(got[0], want[0]));
  CHECK(got[1].type() == DType::f16);
}

TEST_CASE("A graph without float16 is left as it is") {
  SmallGraph g;
  g.output(g.node("Neg", {g.input("x", {2})}));
  CHECK_FALSE(widen_halves(g.graph));
  CHECK(count(g.graph, "Cast") == 0);
}

}  // namespace
}  // namespace sesame::engine
