#include <cmath>
#include <limits>
#include <vector>

#include "kernels/reference_gemm.h"
#include "kernels/table.h"
#include "tests/catch.h"
#include "tests/kernels/gemm_problem.h"

using namespace sesame::kernels;

namespace {

void check_every_level(ProblemU8S8& problem, const GemmEpilogueKind& kind = {}) {
  for (Isa isa : runnable_isas()) {
    CAPTURE(name(isa));
    check_same_bytes(problem, kind, table(isa).gemm_u8s8, reference::gemm_u8s8);
  }
}

void check_every_level(const GemmShape& shape, const GemmEpilogueKind& kind = {}) {
  ProblemU8S8 problem(shape, 1);
  check_every_level(problem, kind);
}

}  // namespace

TEST_CASE("gemm_u8s8: every number of rows around the tiles") {
  for (std::size_t M = 1; M <= 29; ++M) check_every_level({M, 50, 19});
}

TEST_CASE("gemm_u8s8: every number of columns around panels and tiles") {
  for (std::size_t N = 1; N <= 150; ++N) check_every_level({5, N, 6});
  for (std::size_t M : {1, 2, 3, 4, 6, 8, 13}) {
    for (std::size_t N : {127, 128, 129, 255, 256, 257, 272}) check_every_level({M, N, 3});
  }
}

TEST_CASE("gemm_u8s8: odd depths") {
  for (std::size_t K : {1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 257, 769, 3077}) {
    check_every_level({1, 33, K});
    check_every_level({9, 33, K});
  }
}

TEST_CASE("gemm_u8s8: many row blocks") {
  check_every_level({70, 52, 3072});
  check_every_level({200, 20, 768});
  check_every_level({140, 50, 1000});
}

TEST_CASE("gemm_u8s8: strides beyond the sizes, and what follows the product") {
  for (ResidualKind residual : {ResidualKind::none, ResidualKind::apart, ResidualKind::in_place}) {
    for (bool bias : {false, true}) {
      for (std::size_t N : {1, 16, 31, 48, 70}) check_every_level({11, N, 37, 3, 5, 7}, {bias, residual});
    }
  }
}

TEST_CASE("gemm_u8s8: activation, then residual") {
  for (Activation activation : {Activation::gelu_erf, Activation::gelu_tanh, Activation::relu, Activation::tanh}) {
    for (ResidualKind residual : {ResidualKind::none, ResidualKind::apart, ResidualKind::in_place}) {
      for (std::size_t N : {1, 16, 31, 70}) check_every_level({11, N, 37, 3, 5, 7}, {true, residual, activation});
    }
  }
}

TEST_CASE("gemm_u8s8: the sum is exact at the ends of both ranges and the largest K") {
  const std::size_t K = kMaxK, M = 3, N = 3;
  ProblemU8S8 problem({M, N, K}, 3);
  std::vector<std::int8_t> w(K * N);
  for (std::size_t k = 0; k < K; ++k) w[k * N] = -127, w[k * N + 1] = 127, w[k * N + 2] = -128;
  problem.set_weights(w.data());
  std::fill(problem.acc_init.begin(), problem.acc_init.end(), 0);
  std::fill(problem.a.begin(), problem.a.end(), std::uint8_t{255});
  std::fill(problem.a_scale.begin(), problem.a_scale.end(), 1.0f);
  std::fill(problem.b_scale.begin(), problem.b_scale.end(), 1.0f);
  check_every_level(problem, {.bias = false});
  CHECK(problem.c[0] == static_cast<float>(-255 * 127 * static_cast<std::int64_t>(K)));
  CHECK(problem.c[1] == static_cast<float>(255 * 127 * static_cast<std::int64_t>(K)));
  CHECK(problem.c[2] == static_cast<float>(-255 * 128 * static_cast<std::int64_t>(K)));
}

TEST_CASE("gemm_u8s8: neighbours at the ends of the range don't saturate") {
  // 255 * 127 + 255 * 127 is beyond 16 bits, where VPMADDUBSW would stop.
  ProblemU8S8 problem({2, 16, 4}, 4);
  std::vector<std::int8_t> w(4 * 16, 127);
  problem.set_weights(w.data());
  std::fill(problem.a.begin(), problem.a.end(), std::uint8_t{255});
  std::fill(problem.a_scale.begin(), problem.a_scale.end(), 1.0f);
  std::fill(problem.b_scale.begin(), problem.b_scale.end(), 1.0f);
  check_every_level(problem, {.bias = false});
  CHECK(problem.c[0] == 127.0f * 4 * 127);
}

TEST_CASE("gemm_u8s8: a row of zeros answers its bias") {
  ProblemU8S8 problem({9, 35, 21}, 5);
  std::fill_n(problem.a.begin() + problem.lda() * 4, problem.lda(), std::uint8_t{128});
  problem.a_scale[4] = 0;
  check_every_level(problem);
  for (std::size_t n = 0; n < 35; ++n) CHECK(problem.c[4 * 35 + n] == problem.bias[n]);
}

TEST_CASE("gemm_u8s8: a scale of NaN makes its row NaN and no other") {
  ProblemU8S8 problem({9, 35, 21}, 6);
  problem.a_scale[4] = std::nanf("");
  for (Isa isa : runnable_isas()) {
    table(isa).gemm_u8s8(problem.arguments({}));
    for (std::size_t i = 0; i < 9 * 35; ++i) CHECK(std::isnan(problem.c[i]) == (i / 35 == 4));
  }
}

TEST_CASE("gemm_u8s8: no rows, no columns and no depth") {
  ProblemU8S8 problem({1, 2, 1}, 7);
  GemmU8S8 g = problem.arguments({});
  for (Isa isa : runnable_isas()) {
    problem.reset_c();
    const float before = problem.c[0];
    g.M = 0, g.N = 2;
    table(isa).gemm_u8s8(g);
    g.M = 1, g.N = 0;
    table(isa).gemm_u8s8(g);
    CHECK(problem.c[0] == before);
    g.N = 2, g.K = 0;
    table(isa).gemm_u8s8(g);
    for (int n : {0, 1}) {
      CHECK(problem.c[n] ==
            std::fma(float(problem.acc_init[n]), problem.a_scale[0] * problem.b_scale[n], problem.bias[n]));
    }
    g.K = 1;
  }
}

TEST_CASE("gemm_u8s8: dequantizing is one fused multiply-add") {
  // acc = 4097 = 2^12 + 1, scale 1 + 2^-12: the product has more than 24 bits, and the bias cancels its head.
  ProblemU8S8 problem({1, 1, 1}, 8);
  problem.a[0] = 1;
  const std::int8_t w = 0;
  problem.set_weights(&w);
  problem.acc_init[0] = 4097;
  problem.a_scale[0] = 1 + 0x1p-12f;
  problem.b_scale[0] = 1;
  problem.bias[0] = -4098;
  for (Isa isa : runnable_isas()) {
    CAPTURE(name(isa));
    table(isa).gemm_u8s8(problem.arguments({}));
    CHECK(problem.c[0] == 0x1p-12f);
  }
}
