// The kernels for graphs that bring their own quantization, at every level against their reference, bit for bit.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "kernels/pack.h"
#include "kernels/reference_affine.h"
#include "tests/catch.h"
#include "tests/kernels/fenced.h"
#include "tests/kernels/gemm_problem.h"
#include "tests/kernels/guarded.h"
#include "tests/kernels/row_values.h"
#include "tests/kernels/same_bits.h"

namespace sesame::kernels {
namespace {

constexpr ByteRange kRanges[] = {{false, 0}, {false, 128}, {false, 255}, {false, 37},
                                 {true, 0},  {true, -128}, {true, 5}};

std::vector<std::int32_t> random_ints(std::size_t n, unsigned seed, std::int32_t bound) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<std::int32_t> uniform(-bound, bound);
  std::vector<std::int32_t> x(n);
  for (std::int32_t& v : x) v = uniform(random);
  return x;
}

void check_quantize(const Table& t, const NamedRow& row, float scale, const ByteRange& range) {
  const std::size_t n = row.x.size();
  INFO(name(t.isa) << ", n " << n << ", " << row.name << ", scale " << scale << ", zero point " << range.zero_point);
  Fenced<float> x(row.x);
  Guarded<std::uint8_t> want(n), got(n);
  reference::quantize_affine_row(x.data(), n, scale, range, want.data());
  t.quantize_affine_row(x.data(), n, scale, range, got.data());
  CHECK(want.same_bytes(got));
  CHECK(got.intact());
}

struct Sums {
  explicit Sums(std::size_t n)
      : sums(random_ints(n, 1, std::numeric_limits<std::int32_t>::max())),
        weight_zero(random_ints(n, 2, 255)),
        factor(normal_row(n, 3, 1e-7f)),
        bias(normal_row(n, 4, 30)) {}
  SumsRow row(bool corrected) {
    return {sums.data(), factor.data(), corrected ? weight_zero.data() : nullptr, corrected ? 70'000 : 0};
  }
  Fenced<std::int32_t> sums, weight_zero;
  Fenced<float> factor, bias;
};

void check_sums(const Table& t, Sums& sums, std::size_t n, bool corrected) {
  INFO(name(t.isa) << ", n " << n << ", corrected " << corrected);
  const SumsRow row = sums.row(corrected);
  for (const float* bias : {static_cast<const float*>(nullptr), static_cast<const float*>(sums.bias.data())}) {
    std::vector<float> want(n);
    Guarded<float> got(n);
    reference::scale_sums_row(row, bias, n, want.data());
    t.scale_sums_row(row, bias, n, got.data());
    CHECK(difference(want.data(), got.data(), n) == "");
    CHECK(got.intact());
  }
  for (const ByteRange& range : kRanges) {
    Guarded<std::uint8_t> want(n), got(n);
    reference::requantize_sums_row(row, n, range, want.data());
    t.requantize_sums_row(row, n, range, got.data());
    CHECK(want.same_bytes(got));
    CHECK(got.intact());
  }
}

void check_combine(const Table& t, Combination combination, const Operand& a, const Operand& b, std::size_t n) {
  std::vector<float> want(n);
  Guarded<float> got(n);
  reference::combine_row(combination, a, b, n, want.data());
  t.combine_row(combination, a, b, n, got.data());
  INFO(name(t.isa) << ", n " << n << ", " << int(combination) << a.is_one << b.is_one);
  CHECK(difference(want.data(), got.data(), n) == "");
  CHECK(got.intact());
}

void check_sums_u8s8(const GemmShape& shape) {
  ProblemU8S8 problem(shape, 9);
  for (std::int32_t& init : problem.acc_init) init = std::numeric_limits<std::int32_t>::max();  // sums wrap around
  const std::size_t size = (shape.M - 1) * problem.ldc() + shape.N;
  for (Isa isa : supported_isas()) {
    CAPTURE(name(isa), shape.M, shape.N, shape.K);
    Guarded<std::int32_t> want(size), got(size);
    const auto arguments = [&](std::int32_t* c) {
      return SumsU8S8{problem.a.data(),
                      static_cast<std::ptrdiff_t>(problem.lda()),
                      problem.b.data(),
                      problem.acc_init.data(),
                      shape.M,
                      shape.N,
                      shape.K,
                      c,
                      static_cast<std::ptrdiff_t>(problem.ldc())};
    };
    reference::sums_u8s8(arguments(want.data()));
    table(isa).sums_u8s8(arguments(got.data()));
    REQUIRE(want.same_bytes(got));
    REQUIRE(got.intact());
  }
}

}  // namespace

TEST_CASE("sums_u8s8 gives the exact sums, wrapped around, at every level") {
  for (std::size_t M = 1; M <= 17; ++M) check_sums_u8s8({M, 50, 19});
  for (std::size_t N = 1; N <= 100; ++N) check_sums_u8s8({5, N, 6, 4, 3});
  for (std::size_t K : {1, 2, 3, 4, 5, 63, 64, 65, 769}) check_sums_u8s8({9, 33, K});
}

TEST_CASE("range_row gives the reference's bits at every level") {
  for (std::size_t n : row_sizes()) {
    for (const NamedRow& row : rows_of(n)) {
      Fenced<float> x(row.x);
      const Range want = reference::range_row(x.data(), n);
      for (Isa isa : supported_isas()) {
        INFO(name(isa) << ", n " << n << ", " << row.name);
        const Range got = table(isa).range_row(x.data(), n);
        CHECK(same_bits(want.low, got.low));
        CHECK(same_bits(want.high, got.high));
      }
    }
  }
}

TEST_CASE("quantize_affine_row gives the reference's bytes at every level") {
  for (std::size_t n : row_sizes()) {
    for (const NamedRow& row : rows_of(n)) {
      for (Isa isa : supported_isas()) check_quantize(table(isa), row, 0.02f, kRanges[n % std::size(kRanges)]);
    }
  }
  const NamedRow wide{"wide", normal_row(200, 1, 30)};
  for (const ByteRange& range : kRanges) {
    for (float scale : {1.0f, 0.25f, 1e-30f, 1e30f, 0.0f, std::nanf("")}) {
      for (Isa isa : supported_isas()) check_quantize(table(isa), wide, scale, range);
    }
  }
}

TEST_CASE("quantize_affine_row rounds half to even and stops at the ends") {
  const std::vector<float> x = {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 126.5f, 127.5f, 1e9f, -1e9f};
  std::vector<std::uint8_t> q(x.size());
  for (Isa isa : supported_isas()) {
    table(isa).quantize_affine_row(x.data(), x.size(), 1, {true, 0}, q.data());
    const std::vector<std::int8_t> got(q.begin(), q.end());
    CHECK(got == std::vector<std::int8_t>{0, 2, 2, 0, -2, 126, 127, 127, -128});
    table(isa).quantize_affine_row(x.data(), x.size(), 1, {false, 1}, q.data());
    CHECK(q == std::vector<std::uint8_t>{1, 3, 3, 1, 0, 127, 129, 255, 0});
  }
}

TEST_CASE("scale_sums_row and requantize_sums_row give the reference's bits at every level") {
  for (std::size_t n : row_sizes()) {
    Sums sums(n);
    for (Isa isa : supported_isas()) {
      for (bool corrected : {false, true}) check_sums(table(isa), sums, n, corrected);
    }
  }
}

TEST_CASE("dequantize_row and add_bytes_row give the reference's bits at every level") {
  for (std::size_t n : row_sizes()) {
    std::vector<std::uint8_t> bytes(2 * n);
    for (std::size_t i = 0; i < 2 * n; ++i) bytes[i] = static_cast<std::uint8_t>(i * 37 + n);
    Fenced<std::uint8_t> a({bytes.begin(), bytes.begin() + std::ptrdiff_t(n)});
    Fenced<std::uint8_t> b({bytes.begin() + std::ptrdiff_t(n), bytes.end()});
    for (Isa isa : supported_isas()) {
      INFO(name(isa) << ", n " << n);
      for (const ByteRange& range : kRanges) {
        std::vector<float> want(n);
        Guarded<float> got(n);
        reference::dequantize_row(a.data(), n, 0.013f, range, want.data());
        table(isa).dequantize_row(a.data(), n, 0.013f, range, got.data());
        CHECK(difference(want.data(), got.data(), n) == "");
        CHECK(got.intact());
      }
      for (bool is_signed : {false, true}) {
        Guarded<std::uint8_t> want(n), got(n);
        const ByteSum sum{0.37f, 0.61f, 3.7f, is_signed};
        reference::add_bytes_row(a.data(), b.data(), n, sum, want.data());
        table(isa).add_bytes_row(a.data(), b.data(), n, sum, got.data());
        CHECK(want.same_bytes(got));
        CHECK(got.intact());
      }
    }
  }
}

TEST_CASE("sum_u8_row is exact at every level") {
  for (std::size_t n : {1, 15, 16, 17, 64, 100, 768, 65'793}) {
    std::vector<std::uint8_t> bytes(n, 255);
    bytes[n / 2] = 3;
    Fenced<std::uint8_t> q(bytes);
    for (Isa isa : supported_isas()) CHECK(table(isa).sum_u8_row(q.data(), n) == std::int32_t(255 * (n - 1) + 3));
  }
}

TEST_CASE("combine_row gives the reference's bits at every level") {
  const float one = 1.41421354f;
  for (std::size_t n : row_sizes()) {
    Fenced<float> a(normal_row(n, 1)), b(normal_row(n, 2));
    for (Combination c : {Combination::add, Combination::subtract, Combination::multiply, Combination::divide}) {
      for (Isa isa : supported_isas()) {
        check_combine(table(isa), c, {a.data(), false}, {b.data(), false}, n);
        check_combine(table(isa), c, {a.data(), false}, {&one, true}, n);
        check_combine(table(isa), c, {&one, true}, {b.data(), false}, n);
      }
    }
  }
}

TEST_CASE("layernorm_steps_row gives the reference's bits at every level, and in place") {
  for (std::size_t n : row_sizes()) {
    Fenced<float> gamma(normal_row(n, 91)), beta(normal_row(n, 92));
    for (const NamedRow& row : rows_of(n)) {
      std::vector<float> want(n);
      reference::layernorm_steps_row(row.x.data(), gamma.data(), beta.data(), 1e-12f, n, want.data());
      for (Isa isa : supported_isas()) {
        INFO(name(isa) << ", n " << n << ", " << row.name);
        Fenced<float> x(row.x);
        Guarded<float> y(n);
        table(isa).layernorm_steps_row(x.data(), gamma.data(), beta.data(), 1e-12f, n, y.data());
        CHECK(difference(want.data(), y.data(), n) == "");
        CHECK(y.intact());
        table(isa).layernorm_steps_row(x.data(), gamma.data(), beta.data(), 1e-12f, n, x.data());
        CHECK(difference(want.data(), x.data(), n) == "");
      }
    }
  }
}

}  // namespace sesame::kernels
