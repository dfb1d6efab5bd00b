#include <cmath>
#include <limits>

#include "kernels/reference_gemm.h"
#include "kernels/table.h"
#include "tests/catch.h"
#include "tests/kernels/gemm_problem.h"

using namespace sesame::kernels;

namespace {

void check_every_level(const GemmShape& shape, const GemmEpilogueKind& kind = {}) {
  ProblemF32 problem(shape, 1);
  for (Isa isa : runnable_isas()) {
    CAPTURE(name(isa));
    check_same_bytes(problem, kind, table(isa).gemm_f32, reference::gemm_f32);
  }
}

// One product of 1 x 1 x 1 with a bias.
float product(Isa isa, float a, float w, float bias) {
  Guarded<float> packed(packed_f32_size(1, 1));
  pack_f32(&w, 1, 1, 1, 1, packed.data());
  float c = 0;
  table(isa).gemm_f32({&a, 1, packed.data(), 1, 1, 1, {.bias = &bias}, &c, 1});
  return c;
}

}  // namespace

TEST_CASE("gemm_f32: every number of rows around the tiles") {
  for (std::size_t M = 1; M <= 29; ++M) check_every_level({M, 50, 19});
}

TEST_CASE("gemm_f32: every number of columns around panels and tiles") {
  for (std::size_t N = 1; N <= 150; ++N) check_every_level({5, N, 6});
  for (std::size_t M : {1, 2, 3, 4, 6, 8, 13}) {
    for (std::size_t N : {127, 128, 129, 255, 256, 257, 272}) check_every_level({M, N, 3});
  }
}

TEST_CASE("gemm_f32: odd depths") {
  for (std::size_t K : {1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 257, 769}) {
    check_every_level({1, 33, K});
    check_every_level({9, 33, K});
  }
}

TEST_CASE("gemm_f32: BERT's depth, many row blocks") {
  check_every_level({70, 52, 3072});
  check_every_level({200, 20, 768});
  check_every_level({140, 50, 1000});
}

TEST_CASE("gemm_f32: strides beyond the sizes, and what follows the product") {
  for (ResidualKind residual : {ResidualKind::none, ResidualKind::apart, ResidualKind::in_place}) {
    for (bool bias : {false, true}) {
      for (std::size_t N : {1, 16, 31, 48, 70}) check_every_level({11, N, 37, 3, 5, 7}, {bias, residual});
    }
  }
}

TEST_CASE("gemm_f32: activation, then residual") {
  for (Activation activation : {Activation::gelu_erf, Activation::gelu_tanh, Activation::relu, Activation::tanh}) {
    for (ResidualKind residual : {ResidualKind::none, ResidualKind::apart, ResidualKind::in_place}) {
      for (std::size_t N : {1, 16, 31, 70}) check_every_level({11, N, 37, 3, 5, 7}, {true, residual, activation});
    }
  }
}

TEST_CASE("gemm_f32: no rows, no columns and no depth") {
  Guarded<float> c(4, 3.0f);
  Guarded<float> b(64);
  const float a = 1, bias[] = {5, 6};
  for (Isa isa : runnable_isas()) {
    table(isa).gemm_f32({&a, 1, b.data(), 0, 2, 1, {}, c.data(), 2});
    table(isa).gemm_f32({&a, 1, b.data(), 1, 0, 1, {}, c.data(), 2});
    CHECK(c[0] == 3.0f);
    table(isa).gemm_f32({&a, 1, b.data(), 1, 2, 0, {.bias = bias}, c.data(), 2});
    CHECK(c[0] == 5.0f);
    CHECK(c[1] == 6.0f);
    CHECK(c[2] == 3.0f);
    c[0] = c[1] = 3.0f;
  }
}

TEST_CASE("gemm_f32: infinity and NaN stay in their row") {
  ProblemF32 problem({5, 20, 8}, 2);
  problem.a[8] = std::numeric_limits<float>::infinity();  // row 1
  problem.a[24] = std::nanf("");                          // row 3
  for (Isa isa : runnable_isas()) {
    table(isa).gemm_f32(problem.arguments({}));
    for (std::size_t n = 0; n < 20; ++n) {
      CHECK(std::isfinite(problem.c[n]));
      CHECK(std::isinf(problem.c[20 + n]));
      CHECK(std::isfinite(problem.c[40 + n]));
      CHECK(std::isnan(problem.c[60 + n]));
      CHECK(std::isfinite(problem.c[80 + n]));
    }
  }
}

TEST_CASE("gemm_f32: multiply-adds of the chain are fused, the bias is not") {
  // (1 + 2^-12)^2 - (1 + 2^-11) = 2^-24, which the rounding of the product would lose.
  const float x = 1 + 0x1p-12f, minus = -(1 + 0x1p-11f);
  const float a[] = {1, x};
  const float w[] = {minus, x};
  Guarded<float> packed(packed_f32_size(2, 1));
  pack_f32(w, 1, 1, 2, 1, packed.data());
  for (Isa isa : runnable_isas()) {
    CAPTURE(name(isa));
    float c = 0;
    table(isa).gemm_f32({a, 2, packed.data(), 1, 1, 2, {}, &c, 1});
    CHECK(c == 0x1p-24f);
    CHECK(product(isa, x, x, minus) == 0.0f);
  }
}

TEST_CASE("a * b + c written plainly is not fused") {
  volatile float x = 1 + 0x1p-12f, minus = -(1 + 0x1p-11f);
  const float a = x, c = minus;
  CHECK(a * a + c == 0.0f);
  CHECK(std::fma(a, a, c) == 0x1p-24f);
}
