#include "engine/compare.h"
#include "engine/normal_forms/normal_forms.h"
#include "engine/steps/linear_step.h"
#include "tests/catch.h"
#include "tests/support/small_graph.h"

namespace sesame::engine {
namespace {

using tests::count;
using tests::random_floats;
using tests::run;
using tests::SmallGraph;

// Forms Linears and checks that the answer is the same; returns how many were formed.
int formed(const SmallGraph& g, const std::vector<Tensor>& inputs) {
  const auto want = run(g.graph, inputs);
  Graph graph = g.graph;
  form_linears(graph);
  const int linears = count(graph, "Linear");
  pack_linears(graph);
  const auto got = run(graph, inputs);
  for (std::size_t i = 0; i < want.size(); ++i) {
    const Comparison c = compare(got[i], want[i]);
    INFO(c.problem);
    CHECK(c.passed);
  }
  return linears;
}

const Tensor kRows = random_floats({2, 3, 4}, 1);
const Tensor kMatrix = random_floats({3, 4}, 2);

TEST_CASE("MatMul by a constant, with its Add in either order, or with none") {
  for (int form = 0; form < 3; ++form) {
    SmallGraph g;
    const ValueId y = g.node("MatMul", {g.input("x", {-1, -1, 4}), g.constant(random_floats({4, 5}, 3))});
    const ValueId b = g.constant(random_floats({5}, 4));
    if (form == 0) g.output(g.node("Add", {y, b}));
    if (form == 1) g.output(g.node("Add", {b, y}));
    if (form == 2) g.output(y);
    CHECK(formed(g, {kRows}) == 1);
    Graph graph = g.graph;
    form_linears(graph);
    CHECK(graph.nodes.size() == 1);
    CHECK(graph.nodes[0].inputs.size() == (form == 2 ? 2 : 3));
  }
}

TEST_CASE("Gemm, plain and transposed, with and without its bias") {
  for (bool transposed : {false, true}) {
    for (bool bias : {false, true}) {
      SmallGraph g;
      const ValueId w = g.constant(random_floats(transposed ? Shape{5, 4} : Shape{4, 5}, 3));
      std::vector<ValueId> inputs = {g.input("x", {-1, 4}), w};
      if (bias) inputs.push_back(g.constant(random_floats({5}, 4)));
      g.output(g.node("Gemm", inputs, {{"transB", std::int64_t{transposed}}}));
      CHECK(formed(g, {kMatrix}) == 1);
    }
  }
}

TEST_CASE("The Add after a transposed Gemm adds to its columns") {
  SmallGraph g;
  const ValueId y =
      g.node("Gemm", {g.input("x", {-1, 4}), g.constant(random_floats({5, 4}, 3))}, {{"transB", std::int64_t{1}}});
  g.output(g.node("Add", {y, g.constant(random_floats({5}, 4))}));
  CHECK(formed(g, {kMatrix}) == 1);
  Graph graph = g.graph;
  form_linears(graph);
  CHECK(graph.nodes.size() == 1);
}

TEST_CASE("What widens the product is no bias") {
  SECTION("one column and a vector as long as a row of the weight") {
    SmallGraph g;
    const ValueId y =
        g.node("Gemm", {g.input("x", {-1, 4}), g.constant(random_floats({1, 4}, 3))}, {{"transB", std::int64_t{1}}});
    g.output(g.node("Add", {y, g.constant(random_floats({4}, 4))}));
    CHECK(formed(g, {kMatrix}) == 1);
    Graph graph = g.graph;
    form_linears(graph);
    CHECK(count(graph, "Add") == 1);
  }
  SECTION("an addend of more axes") {
    SmallGraph g;
    const ValueId y = g.node("MatMul", {g.input("x", {-1, 4}), g.constant(random_floats({4, 5}, 3))});
    g.output(g.node("Add", {y, g.constant(random_floats({1, 1, 5}, 4))}));
    CHECK(formed(g, {kMatrix}) == 1);
    Graph graph = g.graph;
    form_linears(graph);
    CHECK(count(graph, "Add") == 1);
  }
}

TEST_CASE("A product that is read twice, or is an output, keeps its Add apart") {
  for (bool output : {false, true}) {
    SmallGraph g;
    const ValueId y = g.node("MatMul", {g.input("x", {-1, -1, 4}), g.constant(random_floats({4, 5}, 3))});
    g.output(g.node("Add", {y, g.constant(random_floats({5}, 4))}));
    g.output(output ? y : g.node("Neg", {y}));
    CHECK(formed(g, {kRows}) == 1);
    Graph graph = g.graph;
    form_linears(graph);
    CHECK(count(graph, "Add") == 1);
  }
}

TEST_CASE("What is no Linear stays") {
  const auto gemm = [&](SmallGraph::AttributeList attributes, Shape weight, Shape bias) {
    SmallGraph g;
    std::vector<ValueId> inputs = {g.input("x", {-1, -1}), g.constant(random_floats(std::move(weight), 3))};
    if (!bias.empty()) inputs.push_back(g.constant(random_floats(std::move(bias), 4)));
    g.output(g.node("Gemm", inputs, attributes));
    return formed(g, {kMatrix});
  };
  CHECK(gemm({{"alpha", 2.0f}}, {4, 5}, {}) == 0);
  CHECK(gemm({{"beta", 2.0f}}, {4, 5}, {5}) == 0);
  CHECK(gemm({{"transA", std::int64_t{1}}}, {3, 5}, {}) == 0);
  CHECK(gemm({}, {4, 5}, {3, 1}) == 0);
  CHECK(gemm({}, {4, 5}, {1}) == 0);

  SmallGraph batched;  // a stack of matrices
  batched.output(
      batched.node("MatMul", {batched.input("x", {-1, -1, 4}), batched.constant(random_floats({2, 4, 5}, 3))}));
  CHECK(formed(batched, {kRows}) == 0);

  SmallGraph left;  // the constant on the left
  left.output(left.node("MatMul", {left.constant(random_floats({5, 3}, 3)), left.input("x", {-1, 4})}));
  CHECK(formed(left, {kMatrix}) == 0);
}

TEST_CASE("Products with too few inputs or nameless outputs are left for the plan to refuse") {
  SmallGraph g;
  const ValueId w = g.constant(random_floats({4, 5}, 3));
  for (const char* op : {"MatMul", "Gemm"}) {
    for (const std::vector<ValueId>& inputs :
         std::vector<std::vector<ValueId>>{{}, {w}, {kNoValue, w}, {w, kNoValue}}) {
      g.output(g.node(op, inputs));
    }
  }
  const auto out = g.nodes("MatMul", {g.input("x", {-1, 4}), w}, 2);
  g.graph.nodes.back().outputs[0] = kNoValue;
  g.output(out[1]);
  g.output(g.node("Add", {g.node("MatMul", {g.graph.inputs[0], w})}));
  CHECK_NOTHROW(form_linears(g.graph));
}

}  // namespace
}  // namespace sesame::engine
