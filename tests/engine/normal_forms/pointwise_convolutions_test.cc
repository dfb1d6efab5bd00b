// Convolutions of one position in all the ways that quantizers write them: products of rows of bytes, bit for bit.
#include <algorithm>
#include <cmath>
#include <random>
#include <string>

#include "engine/normal_forms/normal_forms.h"
#include "engine/steps/quantized_linear_step.h"
#include "tests/catch.h"
#include "tests/support/small_graph.h"

namespace sesame::engine {
namespace {

using test::count;
using test::equal_bits;
using test::random_floats;
using test::SmallGraph;

constexpr std::int64_t kChannels = 12, kOut = 8;
const Tensor kInput = random_floats({2, 3, kChannels}, 1);  // [batch, length, channels]
const test::SmallGraph::AttributeList kTurn = {{"perm", std::vector<std::int64_t>{0, 2, 1}}};

Tensor random_bytes(Shape shape, unsigned seed) {
  Tensor t = Tensor::allocate(DType::i8, std::move(shape));
  std::mt19937 random(seed);
  for (std::size_t i = 0; i < t.bytes(); ++i) {
    static_cast<std::uint8_t*>(t.raw())[i] = static_cast<std::uint8_t>(random());
  }
  return t;
}

struct Case {
  std::int64_t groups;
  bool by_channel;
};

class Convolutions {
 public:
  explicit Convolutions(Case c) : c_(c), x_(g.node("Transpose", {g.input("x", {-1, -1, kChannels})}, kTurn)) {
    std::vector<float> scales;
    for (int n = 0; n < kOut; ++n) scales.push_back(0.005f + 0.001f * static_cast<float>(n));
    scale_ = c.by_channel ? g.floats(scales) : g.scalar(0.01f);
    const Tensor zeros = Tensor::allocate(DType::i8, c.by_channel ? Shape{kOut} : Shape{});
    std::fill_n(static_cast<std::int8_t*>(zeros.raw()), zeros.size(), std::int8_t{0});
    zero_ = g.constant(zeros);
    weight_ = g.constant(random_bytes({kOut, kChannels / c.groups, 1}, 2));
  }

  // Integer sums of bytes with a scale found on the way.
  ValueId dynamic() {
    const auto x = g.nodes("DynamicQuantizeLinear", {x_}, 3);
    const ValueId w_zero = g.constant(random_bytes({}, 3));
    const ValueId sums = g.node("ConvInteger", {x[0], weight_, x[2], w_zero}, group());
    const ValueId scaled =
        g.node("Mul", {g.node("Cast", {sums}, {{"to", std::int64_t{1}}}), g.node("Mul", {x[1], g.scalar(0.01f)})});
    return g.node("Add", {scaled, g.constant(random_floats({1, kOut, 1}, 4))});
  }

  ValueId qoperator() {
    Tensor bias = Tensor::allocate(DType::i32, {kOut});
    for (int n = 0; n < kOut; ++n) bias.data<std::int32_t>()[n] = 100 * n - 300;
    const ValueId y = g.node(
        "QLinearConv",
        {quantized(x_), g.scalar(0.01f), x_zero(), weight_, scale_, zero_, g.scalar(0.05f), x_zero(), g.constant(bias)},
        group());
    return g.node("DequantizeLinear", {y, g.scalar(0.05f), x_zero()});
  }

  ValueId qdq() {
    const ValueId x = g.node("DequantizeLinear", {quantized(x_), g.scalar(0.01f), x_zero()});
    const ValueId w = g.node("DequantizeLinear", {weight_, scale_, zero_}, {{"axis", std::int64_t{0}}});
    const ValueId y = g.node("Conv", {x, w, g.constant(random_floats({kOut}, 5))}, group());
    return g.node("DequantizeLinear", {quantized(y), g.scalar(0.01f), x_zero()});
  }

  // The answer of the operators and of the normal forms, which have rows of bytes alone.
  void check(ValueId y, double relative) {
    g.output(g.node("Neg", {g.node("Transpose", {y}, kTurn)}));
    const Tensor want = test::run(g.graph, {kInput})[0];
    to_normal_forms(g.graph);
    CHECK(count(g.graph, "QuantizedLinear") == c_.groups);
    for (const char* op : {"Conv", "ConvInteger", "QLinearConv", "MatMul", "Linear", "Transpose"}) {
      INFO(op);
      CHECK(count(g.graph, op) == 0);
    }
    pack_quantized_linears(g.graph);
    const Tensor got = test::run(g.graph, {kInput})[0];
    REQUIRE(got.shape() == want.shape());
    for (std::int64_t i = 0; i < want.size(); ++i) {
      CHECK(!(std::fabs(got.data<float>()[i] - want.data<float>()[i]) > relative));
    }
  }

  SmallGraph g;

 private:
  SmallGraph::AttributeList group() const { return {{"group", c_.groups}}; }
  ValueId x_zero() { return g.constant(Tensor::scalar<std::uint8_t>(128)); }
  ValueId quantized(ValueId x) { return g.node("QuantizeLinear", {x, g.scalar(0.01f), x_zero()}); }

  Case c_;
  ValueId x_, scale_, zero_, weight_;
};

}  // namespace

TEST_CASE("Quantized convolutions of one position become products of bytes") {
  for (const Case c : {Case{1, false}, Case{1, true}, Case{4, false}, Case{4, true}}) {
    INFO(c.groups << " groups" << (c.by_channel ? ", a scale a channel" : ""));
    SECTION("found on the way, " + std::to_string(c.groups) + std::to_string(c.by_channel)) {
      Convolutions graph(c);
      graph.check(graph.dynamic(), 0);
    }
    SECTION("of bytes, " + std::to_string(c.groups) + std::to_string(c.by_channel)) {
      Convolutions graph(c);
      graph.check(graph.qoperator(), 0);
    }
    // Sums of floats round otherwise than one of integers, and may be rounded to the next byte.
    SECTION("of dequantized bytes, " + std::to_string(c.groups) + std::to_string(c.by_channel)) {
      Convolutions graph(c);
      graph.check(graph.qdq(), 0.0101);
    }
  }
}

}  // namespace sesame::engine
