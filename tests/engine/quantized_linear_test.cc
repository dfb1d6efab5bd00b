// QuantizedLinear against plain loops, bit for bit.
#include "engine/quantized_linear.h"

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "engine/operators/quantization.h"
#include "kernels/isa.h"
#include "kernels/reference_affine.h"
#include "sesame/error.h"
#include "tests/catch.h"

namespace sesame::engine {
namespace {

struct Case {
  std::size_t rows, K, N;
  DType x_type, w_type;
  std::int32_t x_zero;
  bool per_column, transposed;
  DType output;
};

Tensor random_bytes(DType type, Shape shape, unsigned seed) {
  Tensor t = Tensor::allocate(type, std::move(shape));
  std::mt19937 random(seed);
  for (std::size_t i = 0; i < t.bytes(); ++i)
    static_cast<std::uint8_t*>(t.raw())[i] = static_cast<std::uint8_t>(random());
  return t;
}

std::int32_t at(const Tensor& t, std::size_t i) { return zero_point_at(t, static_cast<std::int64_t>(i)); }

QuantizedLinearParts parts_of(const Case& c) {
  const auto K = static_cast<std::int64_t>(c.K), N = static_cast<std::int64_t>(c.N);
  QuantizedLinearParts p;
  p.transposed = c.transposed;
  p.weight = random_bytes(c.w_type, c.transposed ? Shape{N, K} : Shape{K, N}, 1);
  const Shape channels = c.per_column ? Shape{N} : Shape{1};
  p.scale = Tensor::allocate(DType::f32, channels);
  for (std::int64_t n = 0; n < p.scale.size(); ++n) p.scale.data<float>()[n] = 0.0013f + 0.0001f * float(n % 7);
  p.zero_point = random_bytes(c.w_type, channels, 2);
  if (c.output == DType::f32) {
    p.bias = Tensor::allocate(DType::f32, {N});
    for (std::int64_t n = 0; n < N; ++n) p.bias.data<float>()[n] = 0.3f * float(n % 5) - 0.7f;
  } else {
    p.integer_bias = Tensor::allocate(DType::i32, {N});
    for (std::int64_t n = 0; n < N; ++n)
      p.integer_bias.data<std::int32_t>()[n] = static_cast<std::int32_t>(100 * n - 999);
    p.y_scale = Tensor::scalar(0.4f);
    p.y_zero_point = c.output == DType::u8 ? Tensor::scalar<std::uint8_t>(77) : Tensor::scalar<std::int8_t>(-5);
  }
  return p;
}

// The sum of the header's first formula, a term at a time.
std::int32_t plain_sum(const Case& c, const QuantizedLinearParts& p, const Tensor& x, std::size_t m, std::size_t n) {
  std::int64_t sum = p.integer_bias ? at(p.integer_bias, n) : 0;
  for (std::size_t k = 0; k < c.K; ++k) {
    const std::int32_t w = at(p.weight, c.transposed ? n * c.K + k : k * c.N + n);
    sum += std::int64_t{at(x, m * c.K + k) - c.x_zero} * (w - at(p.zero_point, c.per_column ? n : 0));
  }
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(sum));
}

void check(const Case& c) {
  CAPTURE(c.rows, c.K, c.N, int(c.x_type), int(c.w_type), c.x_zero, c.per_column, c.transposed, int(c.output));
  const QuantizedLinearParts p = parts_of(c);
  const QuantizedLinear linear(p);
  const Tensor x = random_bytes(c.x_type, {std::int64_t(c.rows), std::int64_t(c.K)}, 3);
  const float x_scale = 0.021f;
  std::vector<std::int32_t> sums(c.rows * c.N);
  std::vector<float> factor(c.N);
  for (std::size_t n = 0; n < c.N; ++n) {
    factor[n] = x_scale * scale_at(p.scale, static_cast<std::int64_t>(n));
    if (p.y_scale) factor[n] /= *p.y_scale.data<float>();
    for (std::size_t m = 0; m < c.rows; ++m) sums[m * c.N + n] = plain_sum(c, p, x, m, n);
  }
  const Shape shape{std::int64_t(c.rows), std::int64_t(c.N)};
  const Tensor want = Tensor::allocate(c.output, shape), got = Tensor::allocate(c.output, shape);
  for (std::size_t m = 0; m < c.rows; ++m) {
    const kernels::SumsRow row{sums.data() + m * c.N, factor.data()};
    if (p.y_scale) {
      kernels::reference::requantize_sums_row(row, c.N, byte_range(c.output, p.y_zero_point),
                                              static_cast<std::uint8_t*>(want.raw()) + m * c.N);
    } else {
      kernels::reference::scale_sums_row(row, p.bias.data<float>(), c.N, want.data<float>() + m * c.N);
    }
  }
  for (kernels::Isa isa : kernels::supported_isas()) {
    std::fill_n(static_cast<std::uint8_t*>(got.raw()), got.bytes(), std::uint8_t{0xAA});
    for (std::size_t begin = 0; begin < c.N; begin += 32) {  // in parts, as items are
      const std::size_t count = std::min<std::size_t>(32, c.N - begin);
      const Tensor scratch = Tensor::allocate(DType::u8, {std::int64_t(linear.scratch_bytes(c.rows, count))});
      linear.run(kernels::table(isa), {c.x_type, x.raw(), std::ptrdiff_t(c.K), x_scale, c.x_zero}, c.rows, begin, count,
                 static_cast<std::byte*>(scratch.raw()), got.raw(), std::ptrdiff_t(c.N));
    }
    REQUIRE(std::equal(static_cast<const std::byte*>(want.raw()),
                       static_cast<const std::byte*>(want.raw()) + want.bytes(),
                       static_cast<const std::byte*>(got.raw())));
  }
}

}  // namespace

TEST_CASE("QuantizedLinear: every sign, granularity and zero point gives the exact sums") {
  for (DType x : {DType::u8, DType::i8}) {
    for (DType w : {DType::u8, DType::i8}) {
      for (bool per_column : {false, true}) {
        for (DType output : {DType::f32, DType::u8, DType::i8}) {
          for (std::int32_t zero : {0, 127, x == DType::u8 ? 255 : -128}) {
            check({5, 24, 50, x, w, zero, per_column, false, output});
            check({3, 13, 33, x, w, zero, per_column, true, output});
          }
        }
      }
    }
  }
}

TEST_CASE("QuantizedLinear: sizes around tiles and beyond an exact int32") {
  for (std::size_t rows : {1, 7, 8, 9, 64}) check({rows, 20, 16, DType::u8, DType::i8, 3, false, false, DType::f32});
  for (std::size_t K : {1, 2, 3, 4, 5, 63, 65}) check({2, K, 17, DType::i8, DType::u8, 3, true, false, DType::f32});
  check({1, 70'000, 3, DType::u8, DType::u8, 200, false, false, DType::f32});  // wraps around
}

TEST_CASE("QuantizedLinear refuses what does not fit") {
  Graph graph;
  Node node;
  node.inputs = {graph.add_value("x"), graph.add_value("s"), kNoValue,
                 graph.add_constant("w", random_bytes(DType::i8, {4, 6}, 1)),
                 graph.add_constant("ws", Tensor::of<float>({4}, {1, 1, 1, 1}))};
  CHECK_THROWS_AS(quantized_linear_parts(graph, node), Error);  // scales of rows, not of columns
  node.inputs[4] = graph.add_constant("ws", Tensor::scalar(-1.0f));
  CHECK_THROWS_AS(quantized_linear_parts(graph, node), Error);
  node.inputs[4] = graph.add_constant("ws", Tensor::scalar(1.0f));
  CHECK_NOTHROW(quantized_linear_parts(graph, node));
}

}  // namespace sesame::engine
