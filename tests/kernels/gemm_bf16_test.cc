#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/fp_env.h"
#include "kernels/reference_gemm.h"
#include "kernels/table.h"
#include "tests/catch.h"
#include "tests/kernels/gemm_problem.h"
#include "tests/kernels/hostile_host.h"
#include "tests/kernels/same_bits.h"

using namespace sesame::kernels;

namespace {

// AMX has an order of its own.
bool adds_in_tiles(Isa isa) { return isa == Isa::amx || isa == Isa::amx_emulated; }
auto reference_of(Isa isa) { return adds_in_tiles(isa) ? reference::gemm_bf16_tiles : reference::gemm_bf16; }

// The others.
std::vector<Isa> levels_in_pairs() {
  std::vector<Isa> isas = runnable_isas();
  std::erase_if(isas, adds_in_tiles);
  return isas;
}

void check_every_level(const GemmShape& shape, const GemmEpilogueKind& kind = {}) {
  ProblemBf16 problem(shape, 1);
  for (Isa isa : runnable_isas()) {
    CAPTURE(name(isa));
    check_same_bytes(problem, kind, listed_table(isa).gemm_bf16, reference_of(isa));
  }
}

// Ranges of exponents, as bf16 has them: 127 is 1, 0 denormal, 255 infinity or NaN.
struct Exponents {
  unsigned lowest, highest;
};

// A bf16 with few bits set half of the time, so that sums cancel and ties happen.
std::uint16_t draw(std::mt19937& random, Exponents e) {
  const unsigned exponent = e.lowest + random() % (e.highest - e.lowest + 1);
  const unsigned mantissa = random() % 2 ? random() % 128 : random() % 2 * 64;
  return static_cast<std::uint16_t>(random() % 2 << 15 | exponent << 7 | mantissa);
}

// Operands of these exponents at every level against the reference, any NaN being any other.
void check_exponents(Exponents a, Exponents w, std::uint32_t seed) {
  ProblemBf16 problem({24, 40, 6}, seed);
  for (std::uint16_t& value : problem.a) value = draw(problem.random, a);
  for (std::uint16_t& value : problem.b) value = draw(problem.random, w);
  const GemmBf16 g = problem.arguments({.bias = false});
  for (Isa isa : runnable_isas()) {
    CAPTURE(name(isa), a.lowest, a.highest, w.lowest, w.highest, seed);
    reference_of(isa)(g);
    const std::vector<float> want(problem.c.begin(), problem.c.end());
    problem.reset_c();
    listed_table(isa).gemm_bf16(g);
    REQUIRE(difference(want.data(), problem.c.data(), want.size()) == "");
  }
}

// sum_k a[k] w[k] in the order of the kernel.
float sum_of(Isa isa, const std::vector<float>& a, const std::vector<float>& w) {
  const std::size_t K = a.size();
  std::vector<std::uint16_t> row(round_up(K, 2));
  table(Isa::scalar).to_bf16_row(a.data(), K, row.data());
  Guarded<std::uint16_t> packed(packed_bf16_size(K, 1));
  pack_bf16(w.data(), 1, 1, K, 1, packed.data());
  float c = 99;
  listed_table(isa).gemm_bf16({row.data(), static_cast<std::ptrdiff_t>(row.size()), packed.data(), 1, 1, K, {}, &c, 1});
  return c;
}

constexpr float kInf = std::numeric_limits<float>::infinity();

}  // namespace

TEST_CASE("gemm_bf16: every number of rows around the tiles") {
  for (std::size_t M = 1; M <= 29; ++M) check_every_level({M, 50, 19});
}

TEST_CASE("gemm_bf16: every number of columns around panels and tiles") {
  for (std::size_t N = 1; N <= 150; ++N) check_every_level({5, N, 6});
  for (std::size_t M : {1, 2, 3, 4, 6, 7, 8, 13}) {
    for (std::size_t N : {127, 128, 129, 255, 256, 257, 272}) check_every_level({M, N, 3});
  }
}

TEST_CASE("gemm_bf16: odd depths") {
  for (std::size_t K : {1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 257, 769, 1537}) {
    check_every_level({1, 33, K});
    check_every_level({9, 33, K});
  }
}

TEST_CASE("gemm_bf16: BERT's depth, many row blocks") {
  check_every_level({70, 52, 3072});
  check_every_level({200, 20, 768});
  check_every_level({140, 50, 2001});
}

TEST_CASE("gemm_bf16: strides beyond the sizes, and what follows the product") {
  for (ResidualKind residual : {ResidualKind::none, ResidualKind::apart, ResidualKind::in_place}) {
    for (bool bias : {false, true}) {
      for (std::size_t N : {1, 16, 31, 48, 70}) check_every_level({11, N, 37, 3, 5, 7}, {bias, residual});
    }
  }
}

TEST_CASE("gemm_bf16: activation, then residual") {
  for (Activation activation : {Activation::gelu_erf, Activation::gelu_tanh, Activation::relu, Activation::tanh}) {
    for (ResidualKind residual : {ResidualKind::none, ResidualKind::apart, ResidualKind::in_place}) {
      for (std::size_t N : {1, 16, 31, 70}) check_every_level({11, N, 37, 3, 5, 7}, {true, residual, activation});
    }
  }
}

TEST_CASE("gemm_bf16: no rows, no columns and no depth") {
  Guarded<float> c(4, 3.0f);
  Guarded<std::uint16_t> b(64);
  const std::uint16_t a[] = {0x3F80, 0};
  const float bias[] = {5, 6};
  for (Isa isa : runnable_isas()) {
    listed_table(isa).gemm_bf16({a, 2, b.data(), 0, 2, 1, {}, c.data(), 2});
    listed_table(isa).gemm_bf16({a, 2, b.data(), 1, 0, 1, {}, c.data(), 2});
    CHECK(c[0] == 3.0f);
    listed_table(isa).gemm_bf16({a, 2, b.data(), 1, 2, 0, {.bias = bias}, c.data(), 2});
    CHECK(c[0] == 5.0f);
    CHECK(c[1] == 6.0f);
    CHECK(c[2] == 3.0f);
    c[0] = c[1] = 3.0f;
  }
}

// The level that has the instruction is held against the reference's definition here, and the others with it.
TEST_CASE("gemm_bf16: operands of every kind") {
  for (std::uint32_t seed = 1; seed <= 40; ++seed) {
    check_exponents({0, 255}, {0, 255}, seed);      // anything, infinities and NaN too
    check_exponents({0, 3}, {120, 254}, seed);      // denormal operands among others
    check_exponents({0, 0}, {0, 0}, seed);          // nothing else
    check_exponents({60, 67}, {60, 67}, seed);      // sums that are denormal, or would be
    check_exponents({40, 64}, {40, 64}, seed);      // far below: terms that round a sum near 2^-126
    check_exponents({184, 192}, {184, 192}, seed);  // sums that overflow
    check_exponents({120, 130}, {120, 130}, seed);
  }
}

TEST_CASE("gemm_bf16: the odd value of a pair goes first, and both multiply-adds are fused") {
  // From 2^24 a 1 is lost or not, depending on what comes first.
  for (Isa isa : levels_in_pairs()) {
    CAPTURE(name(isa));
    CHECK(sum_of(isa, {1, 0x1p24f, -0x1p24f, 0}, {1, 1, 1, 1}) == 0.0f);
    CHECK(sum_of(isa, {0x1p24f, 1, -0x1p24f, 0}, {1, 1, 1, 1}) == 0.0f);
    CHECK(sum_of(isa, {-0x1p24f, 0x1p24f, 1, 0}, {1, 1, 1, 1}) == 1.0f);
    CHECK(sum_of(isa, {1, -0x1p24f, 0, 0x1p24f}, {1, 1, 1, 1}) == 1.0f);  // -2^24 + 1 is exact
    CHECK(sum_of(isa, {-0x1p24f, 1, 0x1p24f, 0}, {1, 1, 1, 1}) == 1.0f);
    // 2^24 + 1 needs 25 bits: rounded between the two terms of a pair, not after both.
    CHECK(sum_of(isa, {1, 1, 0, 0x1p24f}, {1, 1, 1, 1}) == 0x1p24f + 2);
    CHECK(sum_of(isa, {0, 0x1p24f, 1, 1}, {1, 1, 1, 1}) == 0x1p24f);
  }
}

TEST_CASE("gemm_bf16: denormal sums become zeros of their sign, also on the way") {
  const float small = 0x1p-126f;
  for (Isa isa : levels_in_pairs()) {
    CAPTURE(name(isa));
    CHECK(same_bits(sum_of(isa, {small}, {1}), small));
    CHECK(same_bits(sum_of(isa, {small}, {0.5f}), 0.0f));
    CHECK(same_bits(sum_of(isa, {0x1p-60f, 0}, {-0x1p-70f, 0}), -0.0f));
    // 2^-127 on the way is lost: 1.5 * 2^-126 - 2^-126, then + 2^-126.
    CHECK(same_bits(sum_of(isa, {-small, 1.5f * small, small, 0}, {1, 1, 1, 0}), small));
    // Half a unit of 24 bits below 2^-126 rounds up to it, a whole one doesn't.
    CHECK(same_bits(sum_of(isa, {-0x1p-75f, small}, {0x1p-76f, 1}), small));
    CHECK(same_bits(sum_of(isa, {-0x1p-75f, small}, {0x1p-75f, 1}), 0.0f));
    CHECK(same_bits(sum_of(isa, {-0x1.02p-75f, small}, {0x1p-76f, 1}), 0.0f));
  }
}

TEST_CASE("gemm_bf16 in tiles: even and odd values apart, 32 at a time, then together") {
  const float small = 0x1p-126f, two24 = 0x1p24f;
  for (Isa isa : runnable_isas()) {
    if (!adds_in_tiles(isa)) continue;
    CAPTURE(name(isa));
    // A 1 is lost beside 2^24 in its own sum only.
    CHECK(sum_of(isa, {two24, 1, -two24, 0}, {1, 1, 1, 1}) == 1.0f);
    CHECK(sum_of(isa, {two24, 0, 1, 0, -two24}, {1, 1, 1, 1, 1}) == 0.0f);
    // 2^24 + 1 + 1: the two sums meet after the last pair, and what the next tile adds comes after that.
    CHECK(sum_of(isa, {two24, 1, 0, 1}, {1, 1, 1, 1}) == two24 + 2);
    std::vector<float> a(64, 0.0f), ones(64, 1.0f);
    a[0] = two24, a[33] = 1, a[63] = 1;
    CHECK(sum_of(isa, a, ones) == two24 + 2);
    a[33] = 0, a[31] = 1;
    CHECK(sum_of(isa, a, ones) == two24);
    CHECK(same_bits(sum_of(isa, {-small, 1.5f * small}, {1, 1}), 0.0f));  // 2^-127 is flushed
    CHECK(same_bits(sum_of(isa, {0x1p-60f}, {-0x1p-70f}), 0.0f));         // -0 + 0
    CHECK(sum_of(isa, {kInf}, {1}) == kInf);
    CHECK(std::isnan(sum_of(isa, {kInf}, {0})));
  }
}

TEST_CASE("gemm_bf16: the padding of an odd K is a term like any other") {
  // -0 + 0 * 0 is 0, whichever level adds it.
  for (Isa isa : levels_in_pairs()) {
    CAPTURE(name(isa));
    CHECK(same_bits(sum_of(isa, {-0x1p-70f, 0, -1.0f}, {0x1p-70f, 0, 0}), 0.0f));
    CHECK(same_bits(sum_of(isa, {0, -0x1p-70f, 1, 0}, {0, 0x1p-70f, -0.0f, -0.0f}), 0.0f));
    CHECK(sum_of(isa, {kInf}, {1}) == kInf);
    CHECK(std::isnan(sum_of(isa, {kInf}, {0})));
  }
}

TEST_CASE("gemm_bf16: the epilogue keeps denormals") {
  const float bias = 0x1p-140f, residual = 0x1p-149f;
  const std::uint16_t a[] = {0, 0};
  Guarded<std::uint16_t> b(packed_bf16_size(2, 1));
  for (Isa isa : runnable_isas()) {
    float c = 0;
    listed_table(isa).gemm_bf16({a, 2, b.data(), 1, 1, 2, {&bias, Activation::none, &residual, 1}, &c, 1});
    CHECK(c == bias + residual);
    CHECK(c != 0);
  }
}

TEST_CASE("gemm_bf16: infinity and NaN stay in their row") {
  ProblemBf16 problem({5, 20, 8}, 2);
  problem.a[8] = 0x7F80;   // row 1
  problem.a[24] = 0x7FC0;  // row 3
  for (Isa isa : runnable_isas()) {
    listed_table(isa).gemm_bf16(problem.arguments({}));
    for (std::size_t n = 0; n < 20; ++n) {
      CHECK(std::isfinite(problem.c[n]));
      CHECK(std::isinf(problem.c[20 + n]));
      CHECK(std::isfinite(problem.c[40 + n]));
      CHECK(std::isnan(problem.c[60 + n]));
      CHECK(std::isfinite(problem.c[80 + n]));
    }
  }
}

TEST_CASE("gemm_bf16: the host's floating-point environment neither matters nor changes") {
  ProblemBf16 problem({9, 40, 65}, 3);
  for (std::size_t i = 0; i < problem.a.size(); i += 2) problem.a[i] = draw(problem.random, {0, 40});
  for (Isa isa : runnable_isas()) {
    CAPTURE(name(isa));
    problem.reset_c();
    reference_of(isa)(problem.arguments({}));
    const std::vector<float> want(problem.c.begin(), problem.c.end());
    problem.reset_c();
    const HostileHost host;
    {
      const DefaultFpEnvironment environment;
      const unsigned before = _mm_getcsr();
      listed_table(isa).gemm_bf16(problem.arguments({}));
      CHECK((_mm_getcsr() & ~0x3Fu) == (before & ~0x3Fu));  // the low bits say which exceptions there were
    }
    CHECK(difference(want.data(), problem.c.data(), want.size()) == "");
  }
}

TEST_CASE("gemm_bf16 is near the product of the rounded operands in double precision") {
  ProblemBf16 problem({3, 17, 768}, 4);
  const GemmBf16 g = problem.arguments({});
  table(default_isa()).gemm_bf16(g);
  const auto value = [](std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); };
  for (std::size_t m = 0; m < 3; ++m) {
    for (std::size_t n = 0; n < 17; ++n) {
      double sum = problem.bias[n], magnitude = std::abs(sum);
      for (std::size_t k = 0; k < 768; ++k) {
        const double term = static_cast<double>(value(g.a[m * problem.lda() + k])) *
                            value(g.b[n / 16 * 768 * 16 + k / 2 * 32 + n % 16 * 2 + k % 2]);
        sum += term, magnitude += std::abs(term);
      }
      CAPTURE(m, n, sum);
      CHECK(std::abs(problem.c[m * 17 + n] - sum) <= magnitude * 769 * 0x1p-24);
    }
  }
}
