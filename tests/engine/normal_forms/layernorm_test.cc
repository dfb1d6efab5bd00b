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

struct Spelling {
  bool multiplies = false;  // (x - mean)^2 as a product, not Pow
  bool twice = false;       // x - mean computed twice
  bool swapped = false;     // constants on the left
  std::int64_t axis = -1;
  float power = 2;
  Shape gamma = {4};
  std::int64_t keepdims = 1;
};

// Of x [2, 3, 4], or [2, 3, 4, 4] where the axis calls for it.
SmallGraph layernorm(const Spelling& s, const Shape& declared = {-1, -1, 4}, int opset = 13) {
  SmallGraph g(opset);
  const ValueId x = g.input("x", declared);
  const auto mean = [&](ValueId of) {
    const SmallGraph::AttributeList keep = {{"keepdims", s.keepdims}};
    if (opset >= 18) return g.node("ReduceMean", {of, g.ints({s.axis})}, keep);
    return g.node("ReduceMean", {of}, {keep[0], {"axes", std::vector<std::int64_t>{s.axis}}});
  };
  const auto pair = [&](const char* op, ValueId value, ValueId constant) {
    return s.swapped ? g.node(op, {constant, value}) : g.node(op, {value, constant});
  };
  const ValueId centred = g.node("Sub", {x, mean(x)});
  const ValueId again = s.twice ? g.node("Sub", {x, mean(x)}) : centred;
  const ValueId squares = s.multiplies ? g.node("Mul", {again, again}) : g.node("Pow", {again, g.scalar(s.power)});
  const ValueId deviation = g.node("Sqrt", {pair("Add", mean(squares), g.scalar(1e-5f))});
  const ValueId normal = g.node("Div", {centred, deviation});
  const ValueId scaled = pair("Mul", normal, g.constant(random_floats(s.gamma, 5)));
  g.output(pair("Add", scaled, g.constant(random_floats(s.gamma, 6))));
  return g;
}

// x g + (beta - mean g), g = gamma / root, as TensorFlow's batch normalization has it; or `normal` * root^-1.
SmallGraph inverse_root(const std::string& root, bool batch_normalization, bool wrong = false) {
  SmallGraph g;
  const ValueId x = g.input("x", {-1, -1, 4});
  const SmallGraph::AttributeList last = {{"axes", std::vector<std::int64_t>{2}}};
  const ValueId mean = g.node("ReduceMean", {x}, last);
  const ValueId centred = g.node("Sub", {x, mean});
  const ValueId squares = g.node("Mul", {centred, centred});
  const ValueId variance = g.node("Add", {g.node("ReduceMean", {squares}, last), g.scalar(1e-5f)});
  const ValueId inverse = root == "Pow"   ? g.node("Pow", {variance, g.scalar(-0.5f)})
                          : root == "Div" ? g.node("Div", {g.scalar(1), g.node("Sqrt", {variance})})
                                          : g.node("Reciprocal", {g.node("Sqrt", {variance})});
  const ValueId gamma = g.constant(random_floats({4}, 5)), beta = g.constant(random_floats({4}, 6));
  if (!batch_normalization) {
    g.output(g.node("Add", {g.node("Mul", {gamma, g.node("Mul", {inverse, centred})}), beta}));
    return g;
  }
  const ValueId scale = g.node("Mul", {inverse, gamma});
  const ValueId shift = g.node("Sub", {beta, g.node("Mul", {wrong ? x : mean, scale})});
  g.output(g.node("Add", {g.node("Mul", {x, scale}), shift}));
  return g;
}

// (x - mean) g + beta, g = gamma / root, the variance from both moments, as Flax has it.
SmallGraph moments(bool guarded, bool of_squares = true) {
  SmallGraph g;
  const ValueId x = g.input("x", {-1, -1, 4});
  const SmallGraph::AttributeList last = {{"axes", std::vector<std::int64_t>{2}}};
  const ValueId mean = g.node("ReduceMean", {x}, last);
  const ValueId squares = g.node("ReduceMean", {g.node("Mul", {x, x})}, last);
  ValueId variance = g.node("Sub", {squares, of_squares ? g.node("Mul", {mean, mean}) : mean});
  if (guarded) variance = g.node("Max", {g.scalar(0), variance});
  const ValueId root = g.node("Sqrt", {g.node("Add", {variance, g.scalar(2)})});
  const ValueId scale = g.node("Mul", {g.node("Reciprocal", {root}), g.constant(random_floats({4}, 5))});
  const ValueId product = g.node("Mul", {g.node("Sub", {x, mean}), scale});
  g.output(g.node("Add", {product, g.constant(random_floats({4}, 6))}));
  return g;
}

int formed(const SmallGraph& g, const Tensor& x) {
  const Tensor want = run(g.graph, {x})[0];
  Graph graph = g.graph;
  form_layernorms(graph);
  const Comparison c = compare(run(graph, {x})[0], want);
  INFO(c.problem);
  CHECK(c.passed);
  return count(graph, "LayerNormalization");
}

const Tensor kRows = random_floats({2, 3, 4}, 1);

TEST_CASE("A LayerNorm by one over the root, or as TensorFlow's batch normalization, becomes one node") {
  for (const char* root : {"Pow", "Div", "Reciprocal"}) {
    INFO(root);
    CHECK(formed(inverse_root(root, false), kRows) == 1);
    CHECK(formed(inverse_root(root, true), kRows) == 1);
  }
  CHECK(formed(inverse_root("Reciprocal", true, true), kRows) == 0);
}

TEST_CASE("A LayerNorm whose variance is the difference of two moments becomes one node") {
  CHECK(formed(moments(false), kRows) == 1);
  CHECK(formed(moments(true), kRows) == 1);
  CHECK(formed(moments(false, false), kRows) == 0);
}

TEST_CASE("Every spelling of a LayerNorm becomes one node") {
  CHECK(formed(layernorm({}), kRows) == 1);
  CHECK(formed(layernorm({.multiplies = true}), kRows) == 1);
  CHECK(formed(layernorm({.twice = true}), kRows) == 1);
  CHECK(formed(layernorm({.swapped = true}), kRows) == 1);
  CHECK(formed(layernorm({.axis = 2}), kRows) == 1);
  CHECK(formed(layernorm({}, {-1, -1, 4}, 18), kRows) == 1);
  Graph graph = layernorm({}).graph;
  form_layernorms(graph);
  REQUIRE(graph.nodes.size() == 1);
  CHECK(graph.nodes[0].attributes.real("epsilon") == 1e-5f);
}

TEST_CASE("What is nearly a LayerNorm stays as it is") {
  CHECK(formed(layernorm({.axis = 1}), kRows) == 0);
  CHECK(formed(layernorm({.power = 3}), kRows) == 0);
  CHECK(formed(layernorm({.gamma = {1}}), kRows) == 0);
  CHECK(formed(layernorm({.gamma = {1, 4}}), kRows) == 0);
  // The third axis of four is not the last.
  CHECK(formed(layernorm({.axis = 2}, {-1, -1, 4, 4}), random_floats({2, 3, 4, 4}, 1)) == 0);
  // A row of one element, spread over gamma's.
  CHECK(formed(layernorm({}, {-1, -1, 1}), random_floats({2, 3, 1}, 1)) == 0);
  // Of another value than the one whose mean is taken.
  SmallGraph g = layernorm({});
  const ValueId other = g.input("other", {-1, -1, 4});
  g.graph.nodes[1].inputs[0] = other;
  Graph graph = g.graph;
  form_layernorms(graph);
  CHECK(count(graph, "LayerNormalization") == 0);
}

TEST_CASE("What others read of a LayerNorm's inside is still made") {
  SmallGraph g = layernorm({});
  for (std::size_t n : {0u, 1u, 3u, 6u}) g.output(g.node("Neg", {g.graph.nodes[n].outputs[0]}));
  const auto want = run(g.graph, {kRows});
  Graph graph = g.graph;
  form_layernorms(graph);
  CHECK(count(graph, "LayerNormalization") == 1);
  const auto got = run(graph, {kRows});
  for (std::size_t i = 0; i < want.size(); ++i) CHECK(compare(got[i], want[i]).passed);
}

TEST_CASE("LayerNorms whose nodes have too few inputs match nothing") {
  const SmallGraph whole = layernorm({});
  for (std::size_t n = 0; n < whole.graph.nodes.size(); ++n) {
    for (std::size_t kept : {0u, 1u}) {
      Graph graph = whole.graph;
      if (graph.nodes[n].inputs.size() <= kept) continue;
      graph.nodes[n].inputs.resize(kept);
      CHECK_NOTHROW(form_layernorms(graph));
      CHECK(count(graph, "LayerNormalization") == 0);
    }
  }
}

}  // namespace
}  // namespace sesame::engine
