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

const Tensor kRows = random_floats({2, 3, 4}, 1);

// How many Reshapes are left of a graph of rows [2, 3, 4], whose answer has to stay.
int left(const SmallGraph& g) {
  const auto want = run(g.graph, {kRows});
  Graph graph = g.graph;
  sink_row_reshapes(graph);
  const auto got = run(graph, {kRows});
  for (std::size_t i = 0; i < want.size(); ++i) {
    const Comparison c = compare(got[i], want[i]);
    INFO(c.problem);
    CHECK(c.passed);
  }
  return count(graph, "Reshape");
}

TEST_CASE("A product of folded rows, unfolded after it, needs no Reshape") {
  for (const bool constant : {true, false}) {
    SmallGraph g;
    const ValueId x = g.input("x", {-1, -1, 4});
    const ValueId folded = g.node("Reshape", {x, g.ints({-1, 4})});
    const ValueId y = g.node("MatMul", {folded, g.constant(random_floats({4, 5}, 2))});
    const ValueId shape = g.node("Shape", {x});
    const ValueId leading = g.node("Slice", {shape, g.ints({0}), g.ints({2}), g.ints({0})});
    const ValueId back = g.node("Concat", {leading, g.ints({5})}, {{"axis", std::int64_t{0}}});
    const ValueId rows = g.node("Reshape", {y, constant ? g.ints({2, 3, 5}) : back});
    g.output(g.node("Add", {rows, g.constant(random_floats({5}, 3))}));
    CHECK(left(g) == (constant ? 1 : 0));  // [2, 3] is not every batch's shape
  }
}

TEST_CASE("Sums, activations and norms of folded rows are taken along") {
  SmallGraph g(17);
  const ValueId x = g.input("x", {-1, -1, 4});
  const ValueId folded = g.node("Reshape", {x, g.ints({-1, 4})});
  const ValueId y = g.node("Add", {g.node("Tanh", {folded}), folded});
  const ValueId scaled = g.node("Mul", {y, g.constant(random_floats({4}, 2))});
  const ValueId norm =
      g.node("LayerNormalization", {scaled, g.constant(random_floats({4}, 3)), g.constant(random_floats({4}, 4))},
             {{"axis", std::int64_t{1}}});
  g.output(g.node("Reshape", {norm, g.node("Shape", {x})}));
  CHECK(left(g) == 1);  // an output keeps its node
  g.graph.outputs = {g.node("Neg", {g.graph.outputs[0]})};
  CHECK(left(g) == 0);
}

TEST_CASE("What mixes rows, or changes their width, keeps its Reshape") {
  for (const char* op : {"Softmax", "ReduceMean", "Concat"}) {
    SmallGraph g;
    const ValueId x = g.input("x", {-1, -1, 4});
    const ValueId folded = g.node("Reshape", {x, g.ints({-1, 4})});
    const bool mean = op == std::string("ReduceMean");
    const SmallGraph::AttributeList axis = mean ? SmallGraph::AttributeList{{"axes", std::vector<std::int64_t>{0}}}
                                                : SmallGraph::AttributeList{{"axis", std::int64_t{0}}};
    g.output(g.node(
        op, op == std::string("Concat") ? std::vector<ValueId>{folded, folded} : std::vector<ValueId>{folded}, axis));
    INFO(op);
    CHECK(left(g) == 1);
  }
  SmallGraph g;
  const ValueId x = g.input("x", {-1, -1, 4});
  g.output(g.node("Neg", {g.node("Reshape", {x, g.ints({-1, 2})})}));
  CHECK(left(g) == 1);
}

}  // namespace
}  // namespace sesame::engine
