#include "engine/plan.h"

#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/files.h"
#include "tests/support/small_graph.h"

namespace sesame::engine {
namespace {

using tests::SmallGraph;

TEST_CASE("A plan has a step for every node and keeps those that passes made") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1});
  g.output(g.node("Neg", {g.node("Abs", {x})}));
  const std::shared_ptr<const Step> own = make_step(g.graph, g.graph.nodes[1]);
  g.graph.nodes[1].step = own;
  const Plan plan(g.graph);
  REQUIRE(plan.steps() == 2);
  CHECK(&plan.step(1) == own.get());
}

TEST_CASE("A node that nobody can run is named") {
  SmallGraph g;
  g.output(g.node("QuantumSoftmax", {g.input("x", {-1})}));
  g.graph.nodes[0].name = "layer/odd";
  CHECK(message_of<Error>([&] { Plan plan(g.graph); }).find("node 'layer/odd' (QuantumSoftmax)") == 0);
}

TEST_CASE("A node with too few inputs is named") {
  for (const char* op : {"Add", "MatMul", "Gather", "Reshape", "Where", "LayerNormalization", "Transpose"}) {
    SmallGraph g(17);
    g.output(g.node(op, {}));
    CHECK(message_of<Error>([&] { Plan plan(g.graph); }).find(std::string("(") + op + ")") != std::string::npos);
  }
}

}  // namespace
}  // namespace sesame::engine
