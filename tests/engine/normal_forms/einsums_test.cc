// Einsum by constant weights, as Keras writes its dense layers over heads.
#include "engine/compare.h"
#include "engine/normal_forms/normal_forms.h"
#include "engine/steps/linear_step.h"
#include "tests/catch.h"
#include "tests/support/small_graph.h"

namespace sesame::engine {
namespace {

using test::count;
using test::random_floats;
using test::run;
using test::SmallGraph;

struct Dense {
  const char* equation;
  Shape declared;
  Shape x, w;
};

TEST_CASE("An Einsum by a constant weight becomes a Linear with the same answer") {
  const Dense cases[] = {{"abc,cde->abde", {-1, -1, 12}, {2, 5, 12}, {12, 3, 4}},
                         {"abcd,cde->abe", {-1, -1, 3, 4}, {2, 5, 3, 4}, {3, 4, 12}},
                         {"abc,cd->abd", {-1, -1, 12}, {2, 5, 12}, {12, 7}}};
  for (const Dense& each : cases) {
    INFO(each.equation);
    SmallGraph g(17);
    const ValueId x = g.input("x", each.declared);
    const ValueId w = g.constant(random_floats(each.w, 3));
    g.output(g.node("Einsum", {x, w}, {{"equation", std::string(each.equation)}}));
    const Tensor rows = random_floats(each.x, 4);
    const Tensor want = run(g.graph, {rows})[0];
    Graph graph = g.graph;
    to_normal_forms(graph);
    CHECK(count(graph, "Einsum") == 0);
    CHECK(count(graph, "Linear") == 1);
    pack_linears(graph);
    const Comparison c = compare(run(graph, {rows})[0], want);
    INFO(c.problem);
    CHECK(c.passed);
  }
}

}  // namespace
}  // namespace sesame::engine
