#include "engine/compare.h"
#include "engine/normal_forms/normal_forms.h"
#include "tests/catch.h"
#include "tests/support/small_graph.h"

namespace sesame::engine {
namespace {

using tests::count;
using tests::random_floats;
using tests::run;
using tests::SmallGraph;

const Tensor kRows = random_floats({2, 3, 4}, 1, 3);

struct Builder : SmallGraph {
  ValueId x = input("x", {-1, -1, 4});
  ValueId mul(ValueId a, ValueId b) { return node("Mul", {a, b}); }
  ValueId mul(ValueId a, float b) { return node("Mul", {a, scalar(b)}); }
  ValueId div(ValueId a, float b) { return node("Div", {a, scalar(b)}); }
  ValueId one_plus(ValueId a, float one = 1) { return node("Add", {a, scalar(one)}); }
  ValueId erf_bell(float root = 1.41421356f) { return one_plus(node("Erf", {div(x, root)})); }
  ValueId cube() { return node("Pow", {x, scalar(3)}); }
  ValueId tanh_of(ValueId a) { return one_plus(node("Tanh", {a})); }
};

// The approximation that was formed, "" for none; checks the answer.
std::string formed(const SmallGraph& g) {
  const Tensor want = run(g.graph, {kRows})[0];
  Graph graph = g.graph;
  form_gelus(graph);
  const Comparison c = compare(run(graph, {kRows})[0], want);
  INFO(c.problem);
  CHECK(c.passed);
  for (const Node& node : graph.nodes) {
    if (node.is("Gelu")) {
      CHECK(graph.nodes.size() == 1);
      return node.attributes.text("approximate");
    }
  }
  return "";
}

template <class Fn>
std::string formed(Fn&& build) {
  Builder b;
  b.output(build(b));
  return formed(static_cast<const SmallGraph&>(b));
}

TEST_CASE("x Phi(x) by erf, its factors in any order") {
  CHECK(formed([](Builder& b) { return b.mul(b.mul(b.x, b.erf_bell()), 0.5f); }) == "none");
  CHECK(formed([](Builder& b) { return b.mul(b.x, b.mul(b.erf_bell(), 0.5f)); }) == "none");
  CHECK(formed([](Builder& b) { return b.mul(b.mul(b.x, 0.5f), b.erf_bell()); }) == "none");
  CHECK(formed([](Builder& b) { return b.mul(b.erf_bell(), b.mul(b.x, 0.5f)); }) == "none");
  CHECK(formed([](Builder& b) { return b.node("Mul", {b.scalar(0.5f), b.mul(b.erf_bell(), b.x)}); }) == "none");
  CHECK(formed([](Builder& b) { return b.div(b.mul(b.x, b.erf_bell()), 2); }) == "");  // ends in no product
  CHECK(formed([](Builder& b) {
          const ValueId erf = b.node("Erf", {b.mul(b.x, 0.70710678f)});
          return b.mul(b.mul(b.x, b.node("Add", {b.scalar(1), erf})), 0.5f);
        }) == "none");
}

TEST_CASE("The approximation by tanh, in its spellings") {
  constexpr float kRoot = 0.79788456f;
  const auto finish = [](Builder& b, ValueId argument) { return b.mul(b.mul(b.x, 0.5f), b.tanh_of(argument)); };
  CHECK(formed([&](Builder& b) {  // sqrt(2/pi) (x + 0.044715 x^3)
          return finish(b, b.mul(b.node("Add", {b.x, b.mul(b.cube(), 0.044715f)}), kRoot));
        }) == "tanh");
  CHECK(formed([&](Builder& b) {  // x^3 as a product
          const ValueId cube = b.mul(b.mul(b.x, b.x), b.x);
          return finish(b, b.mul(b.node("Add", {b.mul(cube, 0.044715f), b.x}), kRoot));
        }) == "tanh");
  CHECK(formed([&](Builder& b) {  // sqrt(2/pi) x (1 + 0.044715 x x)
          const ValueId inner = b.one_plus(b.mul(b.mul(b.x, 0.044715f), b.x));
          return finish(b, b.mul(b.mul(b.x, kRoot), inner));
        }) == "tanh");
}

TEST_CASE("Other constants, other values and other functions are no Gelu") {
  CHECK(formed([](Builder& b) { return b.mul(b.mul(b.x, b.erf_bell()), 0.51f); }) == "");
  CHECK(formed([](Builder& b) { return b.mul(b.mul(b.x, b.erf_bell(1.5f)), 0.5f); }) == "");
  CHECK(formed([](Builder& b) {
          return b.mul(b.mul(b.x, b.one_plus(b.node("Erf", {b.div(b.x, 1.41421356f)}), 1.01f)), 0.5f);
        }) == "");
  CHECK(formed([](Builder& b) { return b.mul(b.mul(b.node("Neg", {b.x}), b.erf_bell()), 0.5f); }) == "");
  CHECK(formed([](Builder& b) {
          const ValueId inner = b.node("Add", {b.x, b.mul(b.cube(), 0.04f)});
          return b.mul(b.mul(b.x, 0.5f), b.tanh_of(b.mul(inner, 0.79788456f)));
        }) == "");
  CHECK(formed([](Builder& b) {
          const ValueId inner = b.node("Add", {b.x, b.mul(b.node("Pow", {b.x, b.scalar(2)}), 0.044715f)});
          return b.mul(b.mul(b.x, 0.5f), b.tanh_of(b.mul(inner, 0.79788456f)));
        }) == "");
  CHECK(formed([](Builder& b) { return b.mul(b.mul(b.x, 0.5f), b.one_plus(b.node("Tanh", {b.x}))); }) == "");
}

TEST_CASE("What others read of a Gelu's inside is still made") {
  Builder b;
  const ValueId bell = b.erf_bell();
  b.output(b.mul(b.mul(b.x, bell), 0.5f));
  b.output(b.node("Neg", {bell}));
  const auto want = run(b.graph, {kRows});
  Graph graph = b.graph;
  form_gelus(graph);
  CHECK(count(graph, "Gelu") == 1);
  CHECK(count(graph, "Erf") == 1);
  const auto got = run(graph, {kRows});
  CHECK(compare(got[0], want[0]).passed);
  CHECK(compare(got[1], want[1]).passed);
}

TEST_CASE("Nodes with too few inputs match nothing") {
  Builder whole;
  whole.output(whole.mul(whole.mul(whole.x, whole.erf_bell()), 0.5f));
  for (std::size_t n = 0; n < whole.graph.nodes.size(); ++n) {
    for (std::size_t kept : {0u, 1u}) {
      Graph graph = whole.graph;
      if (graph.nodes[n].inputs.size() <= kept) continue;
      graph.nodes[n].inputs.resize(kept);
      CHECK_NOTHROW(form_gelus(graph));
      CHECK(count(graph, "Gelu") == 0);
    }
  }
}

}  // namespace
}  // namespace sesame::engine
