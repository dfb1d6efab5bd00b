// The spellings of quantized products become one form and keep their bits.
#include <algorithm>
#include <functional>

#include "engine/compare.h"
#include "engine/normal_forms/normal_forms.h"
#include "engine/steps/quantized_linear_step.h"
#include "tests/catch.h"
#include "tests/support/small_graph.h"

namespace sesame::engine {
namespace {

using test::count;
using test::equal_bits;
using test::random_floats;
using test::run;
using test::SmallGraph;

constexpr char kMs[] = "com.microsoft";

Tensor random_bytes(DType type, Shape shape, unsigned seed) {
  Tensor t = Tensor::allocate(type, std::move(shape));
  std::mt19937 random(seed);
  for (std::size_t i = 0; i < t.bytes(); ++i)
    static_cast<std::uint8_t*>(t.raw())[i] = static_cast<std::uint8_t>(random());
  return t;
}

const Tensor kRows = random_floats({2, 3, 8}, 1);
const Tensor kScales = Tensor::of<float>({5}, {0.01f, 0.02f, 0.03f, 0.04f, 0.05f});

// Runs the graph operator by operator and in normal forms. The answers are the same bits, or within `relative` of the
// largest; gives the formed graph.
Graph formed(const SmallGraph& g, const std::vector<Tensor>& inputs, double relative = 0) {
  const auto want = run(g.graph, inputs);
  Graph graph = g.graph;
  to_normal_forms(graph);
  Graph copy = graph;
  pack_quantized_linears(graph);
  fuse_rows(graph);
  for (int threads : {1, 3}) {
    RunnerOptions options;
    options.threads = threads;
    const auto got = run(graph, inputs, options);
    for (std::size_t i = 0; i < want.size(); ++i) {
      if (relative == 0) {
        CHECK(equal_bits(want[i], got[i]));
      } else {
        CHECK(compare(got[i], want[i], {.absolute = 0, .relative = relative}).passed);
      }
    }
  }
  return copy;
}

struct Dynamic {
  ValueId bytes, scale, zero;
};
Dynamic quantize(SmallGraph& g, ValueId x) {
  const auto y = g.nodes("DynamicQuantizeLinear", {x}, 3);
  return {y[0], y[1], y[2]};
}

}  // namespace

TEST_CASE("MatMulInteger, Cast, Mul and Add") {
  for (DType type : {DType::u8, DType::i8}) {
    for (bool per_column : {false, true}) {
      for (bool bias : {false, true}) {
        SmallGraph g;
        const Dynamic x = quantize(g, g.input("x", {-1, -1, 8}));
        const ValueId w_scale = per_column ? g.constant(kScales) : g.scalar(0.02f);
        const ValueId w_zero = g.constant(random_bytes(type, per_column ? Shape{5} : Shape{}, 2));
        const ValueId sums =
            g.node("MatMulInteger", {x.bytes, g.constant(random_bytes(type, {8, 5}, 3)), x.zero, w_zero});
        const ValueId floats = g.node("Cast", {sums}, {{"to", std::int64_t{1}}});
        const ValueId y = g.node("Mul", {floats, g.node("Mul", {x.scale, w_scale})});
        g.output(bias ? g.node("Add", {g.constant(random_floats({5}, 4)), y}) : y);
        const Graph graph = formed(g, {kRows});
        CHECK(graph.nodes.size() == 2);  // DynamicQuantizeLinear, QuantizedLinear
        CHECK(count(graph, "QuantizedLinear") == 1);
      }
    }
  }
}

TEST_CASE("Scales that are multiplied one after the other keep their own roundings") {
  SmallGraph g;
  const Dynamic x = quantize(g, g.input("x", {-1, -1, 8}));
  const ValueId sums = g.node("MatMulInteger", {x.bytes, g.constant(random_bytes(DType::i8, {8, 5}, 3)), x.zero});
  const ValueId floats = g.node("Cast", {sums}, {{"to", std::int64_t{1}}});
  g.output(g.node("Mul", {g.node("Mul", {floats, x.scale}), g.constant(kScales)}));
  const Graph graph = formed(g, {kRows});
  CHECK(count(graph, "QuantizedLinear") == 1);
  CHECK(count(graph, "Mul") == 2);
}

TEST_CASE("Sums that something else reads too stay as they are") {
  SmallGraph g;
  const Dynamic x = quantize(g, g.input("x", {-1, -1, 8}));
  const ValueId sums = g.node("MatMulInteger", {x.bytes, g.constant(random_bytes(DType::i8, {8, 5}, 3)), x.zero});
  g.output(g.node("Cast", {sums}, {{"to", std::int64_t{1}}}));
  g.output(sums);
  CHECK(count(formed(g, {kRows}), "QuantizedLinear") == 0);
}

TEST_CASE("ONNX Runtime's products, in one or several nodes") {
  SmallGraph g(1);
  const ValueId x = g.input("x", {-1, -1, 8});
  const ValueId w = g.constant(random_bytes(DType::u8, {8, 5}, 3)), zero = g.constant(random_bytes(DType::u8, {5}, 2));
  const ValueId bias = g.constant(random_floats({5}, 4));
  g.output(g.node("DynamicQuantizeMatMul", {x, w, g.constant(kScales), zero, bias}, {}, kMs));
  g.output(g.node("DynamicQuantizeMatMul", {x, w, g.constant(kScales), zero}, {}, kMs));
  const Graph graph = formed(g, {kRows});
  CHECK(count(graph, "DynamicQuantizeLinear") == 1);  // once for both
  CHECK(count(graph, "QuantizedLinear") == 2);
}

TEST_CASE("QAttention is a quantized projection and attention's operators") {
  SmallGraph g(1);
  const ValueId x = g.input("x", {-1, -1, 8}, DType::u8);
  const ValueId w = g.constant(random_bytes(DType::u8, {8, 24}, 3));
  g.output(g.node("QAttention",
                  {x, w, g.constant(random_floats({24}, 4)), g.scalar(0.02f), g.scalar(0.03f), kNoValue,
                   g.constant(Tensor::scalar<std::uint8_t>(100)), g.constant(Tensor::scalar<std::uint8_t>(90))},
                  {{"num_heads", std::int64_t{2}}}, kMs));
  // Sums of 4 and 3 terms, an exponential and a division, each good to a few units of 2^-24.
  const Graph graph = formed(g, {random_bytes(DType::u8, {2, 3, 8}, 5)}, 64 * 0x1p-24);
  CHECK(count(graph, "QuantizedLinear") == 1);
  CHECK(count(graph, "MatMul") == 2);
  CHECK(count(graph, "Softmax") == 1);
  CHECK(count(graph, "ProjectedAttention") == 0);
}

TEST_CASE("QLinearMatMul and QGemm") {
  const Tensor x = random_bytes(DType::u8, {4, 8}, 1);
  for (bool per_column : {false, true}) {
    SmallGraph g(1);
    const ValueId in = g.input("x", {-1, 8}, DType::u8);
    const ValueId s = g.scalar(0.02f), z = g.constant(Tensor::scalar<std::uint8_t>(100));
    const ValueId w_scale = per_column ? g.constant(kScales) : g.scalar(0.02f);
    const ValueId w_zero = g.constant(random_bytes(DType::i8, per_column ? Shape{5} : Shape{}, 2));
    const ValueId y_scale = g.scalar(0.3f);
    const ValueId c = g.constant(Tensor::of<std::int32_t>({5}, {1, -200, 3000, 7, 9}));
    const ValueId w = g.constant(random_bytes(DType::i8, {8, 5}, 3)),
                  wt = g.constant(random_bytes(DType::i8, {5, 8}, 3));
    g.opset = 10;
    g.output(g.node("QLinearMatMul", {in, s, z, w, w_scale, w_zero, y_scale, z}));
    g.opset = 1;
    const SmallGraph::AttributeList transposed = {{"transB", std::int64_t{1}}, {"alpha", 0.7f}};
    g.output(g.node("QGemm", {in, s, z, wt, w_scale, w_zero, c, y_scale, z}, transposed, kMs));
    g.output(g.node("QGemm", {in, s, z, wt, w_scale, w_zero, c}, transposed, kMs));
    const Graph graph = formed(g, {x});
    CHECK(graph.nodes.size() == 3);
    CHECK(count(graph, "QuantizedLinear") == 3);
  }
}

namespace {

// x quantized and dequantized, as QDQ graphs have it.
ValueId there_and_back(SmallGraph& g, ValueId x, float scale, std::uint8_t zero) {
  const ValueId s = g.scalar(scale), z = g.constant(Tensor::scalar(zero));
  return g.node("DequantizeLinear", {g.node("QuantizeLinear", {x, s, z}), s, z});
}

// The formed graph's answer; the largest difference to the graph's own, in steps of `unit`.
double steps_apart(const SmallGraph& g, const std::vector<Tensor>& inputs, float unit, Graph& graph) {
  const auto want = run(g.graph, inputs);
  graph = g.graph;
  to_normal_forms(graph);
  Graph packed = graph;
  pack_quantized_linears(packed);
  const auto got = run(std::move(packed), inputs);
  double most = 0;
  for (std::int64_t i = 0; i < want[0].size(); ++i) {
    most = std::max(most, std::fabs(double{want[0].data<float>()[i]} - got[0].data<float>()[i]) / unit);
  }
  return most;
}

}  // namespace

TEST_CASE("Dequantize, MatMul, Quantize is a product of bytes") {
  SmallGraph g;
  const ValueId x = there_and_back(g, g.input("x", {-1, -1, 8}), 0.01f, 120);
  const ValueId w = g.node("DequantizeLinear",
                           {g.constant(random_bytes(DType::i8, {8, 5}, 3)), g.constant(kScales),
                            g.constant(random_bytes(DType::i8, {5}, 4))},
                           {{"axis", std::int64_t{-1}}});
  g.output(there_and_back(g, g.node("MatMul", {x, w}), 0.05f, 90));
  Graph graph;
  CHECK(steps_apart(g, {kRows}, 0.05f, graph) <= 1.001);  // sums of floats and of integers round once apart
  CHECK(graph.nodes.size() == 3);                         // Quantize, QuantizedLinear, Dequantize
  CHECK(count(graph, "QuantizedLinear") == 1);
  CHECK(count(graph, "MatMul") == 0);
}

TEST_CASE("Dequantized Gemm adds its bias as integers where they count alike, else as floats") {
  for (float unit : {0.01f * 0.02f, 0.001f}) {
    SmallGraph g;
    const ValueId x = there_and_back(g, g.input("x", {-1, 8}), 0.01f, 120);
    const ValueId w = g.node("DequantizeLinear", {g.constant(random_bytes(DType::u8, {5, 8}, 3)), g.scalar(0.02f),
                                                  g.constant(Tensor::scalar<std::uint8_t>(99))});
    const ValueId c = g.node("DequantizeLinear", {g.constant(Tensor::of<std::int32_t>({5}, {1, 2, -300, 40, 5})),
                                                  g.scalar(unit), g.constant(Tensor::scalar<std::int32_t>(0))});
    g.output(there_and_back(g, g.node("Gemm", {x, w, c}, {{"transB", std::int64_t{1}}}), 0.05f, 90));
    Graph graph;
    CHECK(steps_apart(g, {random_floats({4, 8}, 9)}, 0.05f, graph) <= 1.001);
    CHECK(count(graph, "QuantizedLinear") == 1);
    CHECK(count(graph, "QuantizeLinear") == (unit == 0.001f ? 2 : 1));
    CHECK(count(graph, "Gemm") == 0);
  }
}

TEST_CASE("Two dequantized activations are multiplied as bytes") {
  SmallGraph g;
  const ValueId a = there_and_back(g, g.input("a", {2, -1, 8}), 0.01f, 120);
  const ValueId b = there_and_back(g, g.input("b", {2, 8, -1}), 0.02f, 130);
  g.output(there_and_back(g, g.node("MatMul", {a, b}), 0.05f, 90));
  Graph graph;
  CHECK(steps_apart(g, {random_floats({2, 3, 8}, 9), random_floats({2, 8, 5}, 8)}, 0.05f, graph) <= 1.001);
  CHECK(count(graph, "QLinearMatMul") == 1);
  CHECK(count(graph, "MatMul") == 0);
}

TEST_CASE("What is moved is moved as bytes, and quantized once") {
  SmallGraph g;
  const ValueId x = there_and_back(g, g.input("x", {2, 3, 8}), 0.01f, 120);
  const ValueId y = g.node("Transpose", {g.node("Reshape", {x, g.ints({2, 3, 2, 4})})},
                           {{"perm", Attribute(std::vector<std::int64_t>{0, 2, 1, 3})}});
  g.output(there_and_back(g, y, 0.01f, 120));
  const Graph graph = formed(g, {kRows});
  CHECK(count(graph, "QuantizeLinear") == 1);
  CHECK(count(graph, "DequantizeLinear") == 1);
  CHECK(count(graph, "Transpose") == 1);
}

TEST_CASE("Rows of a quantized table are dequantized, not the table") {
  SmallGraph g;
  const ValueId table = g.node("DequantizeLinear", {g.constant(random_bytes(DType::u8, {50, 8}, 3)), g.scalar(0.02f),
                                                    g.constant(Tensor::scalar<std::uint8_t>(99))});
  const ValueId ids = g.input("ids", {-1}, DType::i64);
  g.output(g.node("Gather", {table, ids}));
  const Graph graph = formed(g, {Tensor::of<std::int64_t>({3}, {0, 49, 7})});
  REQUIRE(graph.nodes.size() == 2);
  CHECK(graph.nodes[0].op == "Gather");
  CHECK(graph.constant(graph.nodes[0].inputs[0]).type() == DType::u8);
}

TEST_CASE("Dequantized constants that no product takes are constants once loaded") {
  SmallGraph g;
  const ValueId b = g.node("DequantizeLinear", {g.constant(random_bytes(DType::u8, {8}, 3)), g.scalar(0.02f)});
  g.output(g.node("Add", {g.input("x", {-1, -1, 8}), b}));
  CHECK(formed(g, {kRows}).nodes.size() == 1);
}

}  // namespace sesame::engine
