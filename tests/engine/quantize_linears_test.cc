#include "engine/quantize_linears.h"

#include "kernels/pack.h"
#include "tests/catch.h"
#include "tests/support/small_graph.h"

namespace sesame::engine {
namespace {

using test::random_floats;
using test::SmallGraph;

struct Stack : SmallGraph {
  Stack() : SmallGraph(17) {}
  ValueId linear(ValueId x, std::int64_t in, std::int64_t out) {
    return node("Linear", {x, constant(random_floats({in, out}, 1))}, {}, std::string(kSesame));
  }
  ValueId norm(ValueId x) { return node("LayerNormalization", {x, floats({1, 1, 1, 1}), floats({0, 0, 0, 0})}); }
  std::vector<std::string> precisions() const {
    std::vector<std::string> found;
    for (const Node& n : graph.nodes) {
      if (n.is("Linear", kSesame)) found.push_back(n.attributes.text("precision", "fp32"));
    }
    return found;
  }
};

TEST_CASE("Linears before the last residual norm run in the precision asked for, heads stay") {
  Stack g;
  const ValueId x = g.input("x", {-1, -1, 4});
  const ValueId h = g.norm(g.node("Add", {g.linear(x, 4, 4), x}));
  const ValueId h2 = g.norm(g.node("Add", {h, g.linear(g.node("Relu", {g.linear(h, 4, 4)}), 4, 4)}));
  g.output(g.linear(g.node("Tanh", {g.linear(h2, 4, 4)}), 4, 2));
  CHECK(quantize_linears(g.graph) == 3);
  CHECK(g.precisions() == std::vector<std::string>{"int8", "int8", "int8", "fp32", "fp32"});
  CHECK(quantize_linears(g.graph, LinearPrecision::bf16) == 3);
  CHECK(g.precisions() == std::vector<std::string>{"bf16", "bf16", "bf16", "fp32", "fp32"});
}

TEST_CASE("A norm of a Linear and a constant is no residual: heads with a norm stay") {
  Stack g;
  const ValueId x = g.input("x", {-1, -1, 4});
  g.output(g.norm(g.linear(x, 4, 4)));
  g.output(g.norm(g.node("Add", {g.linear(x, 4, 4), g.floats({1, 2, 3, 4})})));
  CHECK(quantize_linears(g.graph) == 0);
}

TEST_CASE("A Linear too deep for an exact sum stays as it is") {
  Stack g;
  const auto deep = static_cast<std::int64_t>(kernels::kMaxK) + 1;
  const ValueId x = g.input("x", {-1, deep});
  const ValueId y = g.input("y", {-1, 4});
  g.output(g.norm(g.node("Add", {g.linear(x, deep, 4), y})));
  CHECK(quantize_linears(g.graph) == 0);
  CHECK(quantize_linears(g.graph, LinearPrecision::bf16) == 1);
}

TEST_CASE("Norms and sums with too few inputs are nobody's encoder") {
  Stack g;
  const ValueId x = g.input("x", {-1, -1, 4});
  g.output(g.node("LayerNormalization", {}));
  g.output(g.node("LayerNormalization", {g.node("Add", {x})}));
  g.output(g.node("LayerNormalization", {g.node("Add", {})}));
  CHECK_NOTHROW(quantize_linears(g.graph));
}

}  // namespace
}  // namespace sesame::engine
