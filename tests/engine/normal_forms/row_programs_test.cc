// Fused rows give the bits of their operators.
#include <cmath>

#include "engine/normal_forms/normal_forms.h"
#include "tests/catch.h"
#include "tests/support/small_graph.h"

namespace sesame::engine {
namespace {

using test::count;
using test::equal_bits;
using test::random_floats;
using test::run;
using test::SmallGraph;

// Fuses and checks that the answer has the same bits, for several threads; gives the fused graph.
Graph fused(const SmallGraph& g, const std::vector<Tensor>& inputs) {
  const auto want = run(g.graph, inputs);
  Graph graph = g.graph;
  fuse_rows(graph);
  for (int threads : {1, 3}) {
    RunnerOptions options;
    options.threads = threads;
    const auto got = run(graph, inputs, options);
    for (std::size_t i = 0; i < want.size(); ++i) CHECK(equal_bits(want[i], got[i]));
  }
  return graph;
}

ValueId gelu(SmallGraph& g, ValueId x) {
  const ValueId erf = g.node("Erf", {g.node("Div", {x, g.scalar(1.41421354f)})});
  return g.node("Mul", {g.node("Mul", {x, g.node("Add", {erf, g.scalar(1)})}), g.scalar(0.5f)});
}

ValueId layernorm(SmallGraph& g, ValueId x, std::int64_t n) {
  const SmallGraph::AttributeList last = {{"axes", Attribute(std::vector<std::int64_t>{-1})}};
  const ValueId d = g.node("Sub", {x, g.node("ReduceMean", {x}, last)});
  const ValueId variance = g.node("ReduceMean", {g.node("Pow", {d, g.scalar(2)})}, last);
  const ValueId y = g.node("Div", {d, g.node("Sqrt", {g.node("Add", {variance, g.scalar(1e-12f)})})});
  return g.node("Add", {g.node("Mul", {y, g.constant(random_floats({n}, 7))}), g.constant(random_floats({n}, 8))});
}

}  // namespace

TEST_CASE("GELU spelled out is one step") {
  SmallGraph g;
  g.output(gelu(g, g.node("Add", {g.input("x", {-1, -1, 70}), g.constant(random_floats({70}, 3))})));
  for (std::int64_t rows : {1, 3, 2000}) {
    CHECK(fused(g, {random_floats({1, rows, 70}, 1, 3)}).nodes.size() == 1);
  }
}

TEST_CASE("The tanh GELU with its cube, without columns of its own") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1, -1, -1});
  const ValueId cube = g.node("Mul", {g.node("Pow", {x, g.scalar(3)}), g.scalar(0.044715f)});
  const ValueId t = g.node("Tanh", {g.node("Mul", {g.node("Add", {x, cube}), g.scalar(0.797884583f)})});
  g.output(g.node("Mul", {g.node("Mul", {x, g.scalar(0.5f)}), g.node("Add", {g.scalar(1), t})}));
  CHECK(fused(g, {random_floats({1, 2, 64}, 1, 3)}).nodes.size() == 1);
  CHECK(fused(g, {random_floats({2, 1024, 64}, 1, 3)}).nodes.size() == 1);  // several items
}

TEST_CASE("LayerNorm in steps, with the residual before it, has the bits of its operators") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1, -1, 33}), r = g.input("r", {-1, -1, 33});
  g.output(layernorm(g, g.node("Add", {x, r}), 33));
  const std::vector<Tensor> inputs = {random_floats({2, 3, 33}, 1), random_floats({2, 3, 33}, 2)};
  const auto want = run(g.graph, inputs);
  Graph graph = g.graph;
  form_layernorms(graph, LayerNormForm::steps);
  CHECK(count(graph, "LayerNormalizationSteps") == 1);
  CHECK(equal_bits(want[0], run(graph, inputs)[0]));
  fuse_rows(graph);
  CHECK(graph.nodes.size() == 1);
  CHECK(equal_bits(want[0], run(graph, inputs)[0]));
}

TEST_CASE("Bytes in and bytes out") {
  for (bool is_signed : {false, true}) {
    SmallGraph g;
    const DType type = is_signed ? DType::i8 : DType::u8;
    const auto zero = [&](int z) {
      return g.constant(is_signed ? Tensor::scalar(static_cast<std::int8_t>(z))
                                  : Tensor::scalar(static_cast<std::uint8_t>(z)));
    };
    const ValueId a = g.node("DequantizeLinear", {g.input("a", {-1, 20}, type), g.scalar(0.01f), zero(3)});
    const ValueId b = g.node("DequantizeLinear", {g.input("b", {-1, 20}, type), g.scalar(0.02f), zero(100)});
    g.output(g.node("QuantizeLinear", {g.node("Add", {a, b}), g.scalar(0.03f), zero(50)}));
    Tensor x = Tensor::allocate(type, {3, 20}), y = Tensor::allocate(type, {3, 20});
    for (std::size_t i = 0; i < 60; ++i) {
      static_cast<std::uint8_t*>(x.raw())[i] = static_cast<std::uint8_t>(i * 37);
      static_cast<std::uint8_t*>(y.raw())[i] = static_cast<std::uint8_t>(i * 91);
    }
    CHECK(fused(g, {x, y}).nodes.size() == 1);
  }
}

TEST_CASE("What is read elsewhere too stays a value of its own") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1, 8});
  const ValueId scaled = g.node("Mul", {x, g.scalar(3)});
  const ValueId sum = g.node("Add", {scaled, g.scalar(1)});
  g.output(g.node("Tanh", {sum}));
  g.output(scaled);
  const Graph graph = fused(g, {random_floats({3, 8}, 1)});
  CHECK(graph.nodes.size() == 2);
  CHECK(count(graph, "Mul") == 1);
}

TEST_CASE("A mask is broadcast over heads and queries, a batch of one over all") {
  SmallGraph g;
  const ValueId scores = g.input("scores", {-1, 4, -1, -1}), mask = g.input("mask", {-1, 1, 1, -1});
  g.output(g.node("Add", {g.node("Div", {scores, g.scalar(8)}), mask}));
  const Tensor x = random_floats({2, 4, 7, 7}, 1);
  CHECK(fused(g, {x, random_floats({2, 1, 1, 7}, 2)}).nodes.size() == 1);
  CHECK(fused(g, {x, random_floats({1, 1, 1, 7}, 2)}).nodes.size() == 1);
}

TEST_CASE("Integers and what widens the result are left alone") {
  SmallGraph g;
  const ValueId n = g.input("n", {-1}, DType::i64);
  g.output(g.node("Add", {g.node("Mul", {n, g.ints({3})}), g.ints({1})}));
  const ValueId x = g.input("x", {-1, 8});
  g.output(g.node("Add", {g.node("Mul", {x, g.scalar(2)}), g.constant(random_floats({1, 1, 8}, 3))}));
  CHECK(count(fused(g, {Tensor::of<std::int64_t>({2}, {4, 5}), random_floats({3, 8}, 1)}), "Rows") == 0);
}

}  // namespace sesame::engine
