#include "kernels/pack.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

#include "kernels/reference_gemm.h"
#include "tests/catch.h"
#include "tests/kernels/guarded.h"

using namespace sesame::kernels;

TEST_CASE("pack_f32 lays 0, 1, 2, .. down as pack.h draws it") {
  // W[2][18] row by row: W[k][n] = 18 k + n.
  std::vector<float> w(2 * 18);
  std::iota(w.begin(), w.end(), 0.0f);
  Guarded<float> packed(packed_f32_size(2, 18));
  pack_f32(w.data(), 18, 1, 2, 18, packed.data());
  const float expected[] = {
      0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,  // panel 0, k = 0
      18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33,  // panel 0, k = 1
      16, 17, 0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,   // panel 1, k = 0
      34, 35, 0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,   // panel 1, k = 1
  };
  REQUIRE(packed.size() == std::size(expected));
  CHECK(std::equal(packed.begin(), packed.end(), expected));
  CHECK(packed.intact());
}

TEST_CASE("pack_bf16 lays 0, 1, 2, .. down as pack.h draws it") {
  // W[3][17] row by row: W[k][n] = 17 k + n, all of them exact in bf16.
  std::vector<float> w(3 * 17);
  std::iota(w.begin(), w.end(), 0.0f);
  Guarded<std::uint16_t> packed(packed_bf16_size(3, 17), 99);
  pack_bf16(w.data(), 17, 1, 3, 17, packed.data());
  const float expected[] = {
      // panel 0, k = 0 and 1: two values of k for column 0, two for column 1, ..
      0, 17, 1, 18, 2, 19, 3, 20, 4, 21, 5, 22, 6, 23, 7, 24, 8, 25, 9, 26, 10, 27, 11, 28, 12, 29, 13, 30, 14, 31, 15,
      32,  //
      // panel 0, k = 2 and 3: only k = 2 exists
      34, 0, 35, 0, 36, 0, 37, 0, 38, 0, 39, 0, 40, 0, 41, 0, 42, 0, 43, 0, 44, 0, 45, 0, 46, 0, 47, 0, 48, 0, 49,
      0,  //
      // panel 1, k = 0 and 1: only column 16 exists
      16, 33, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  //
      // panel 1, k = 2 and 3
      50, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  REQUIRE(packed.size() == std::size(expected));
  for (std::size_t i = 0; i < packed.size(); ++i) {
    CAPTURE(i);
    CHECK(std::bit_cast<float>(std::uint32_t{packed[i]} << 16) == expected[i]);
  }
  CHECK(packed.intact());
}

TEST_CASE("pack_s8 lays 0, 1, 2, .. down as pack.h draws it") {
  // W[5][17] row by row: W[k][n] = 17 k + n.
  std::vector<std::int8_t> w(5 * 17);
  std::iota(w.begin(), w.end(), std::int8_t{0});
  Guarded<std::int8_t> packed(packed_s8_size(5, 17), 99);
  pack_s8(w.data(), 17, 1, 5, 17, packed.data());
  const std::int8_t expected[] = {
      // panel 0, k = 0 .. 3: four values of k for column 0, four for column 1, ..
      0, 17, 34, 51, 1, 18, 35, 52, 2, 19, 36, 53, 3, 20, 37, 54,      //
      4, 21, 38, 55, 5, 22, 39, 56, 6, 23, 40, 57, 7, 24, 41, 58,      //
      8, 25, 42, 59, 9, 26, 43, 60, 10, 27, 44, 61, 11, 28, 45, 62,    //
      12, 29, 46, 63, 13, 30, 47, 64, 14, 31, 48, 65, 15, 32, 49, 66,  //
      // panel 0, k = 4 .. 7: only k = 4 exists
      68, 0, 0, 0, 69, 0, 0, 0, 70, 0, 0, 0, 71, 0, 0, 0,  //
      72, 0, 0, 0, 73, 0, 0, 0, 74, 0, 0, 0, 75, 0, 0, 0,  //
      76, 0, 0, 0, 77, 0, 0, 0, 78, 0, 0, 0, 79, 0, 0, 0,  //
      80, 0, 0, 0, 81, 0, 0, 0, 82, 0, 0, 0, 83, 0, 0, 0,  //
      // panel 1, k = 0 .. 3: only column 16 exists
      16, 33, 50, 67, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  //
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,      //
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,      //
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,      //
      // panel 1, k = 4 .. 7
      84, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  //
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,   //
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,   //
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,   //
  };
  REQUIRE(packed.size() == std::size(expected));
  CHECK(std::equal(packed.begin(), packed.end(), expected));
  CHECK(packed.intact());
}

TEST_CASE("a transposed source packs to the same matrix") {
  const std::size_t K = 7, N = 33;
  std::vector<float> w(K * N), transposed(K * N);
  std::vector<std::int8_t> s8(K * N), s8_transposed(K * N);
  for (std::size_t k = 0; k < K; ++k) {
    for (std::size_t n = 0; n < N; ++n) {
      w[k * N + n] = transposed[n * K + k] = static_cast<float>(k * N + n) - 100;
      s8[k * N + n] = s8_transposed[n * K + k] = static_cast<std::int8_t>(k * N + n - 100);
    }
  }
  Guarded<float> one(packed_f32_size(K, N)), two(packed_f32_size(K, N));
  pack_f32(w.data(), N, 1, K, N, one.data());
  pack_f32(transposed.data(), 1, K, K, N, two.data());
  CHECK(one.same_bytes(two));
  Guarded<std::uint16_t> five(packed_bf16_size(K, N)), six(packed_bf16_size(K, N));
  pack_bf16(w.data(), N, 1, K, N, five.data());
  pack_bf16(transposed.data(), 1, K, K, N, six.data());
  CHECK(five.same_bytes(six));
  Guarded<std::int8_t> three(packed_s8_size(K, N)), four(packed_s8_size(K, N));
  pack_s8(s8.data(), N, 1, K, N, three.data());
  pack_s8(s8_transposed.data(), 1, K, K, N, four.data());
  CHECK(three.same_bytes(four));
}

TEST_CASE("column sums are exact up to the largest K") {
  const std::size_t N = 17;
  for (std::size_t K : {std::size_t{1}, std::size_t{5}, kMaxK}) {
    std::vector<std::int8_t> w(K * N);
    for (std::size_t k = 0; k < K; ++k) {
      for (std::size_t n = 0; n < N; ++n) w[k * N + n] = n == 16 ? 127 : static_cast<std::int8_t>(-128 + int(n));
    }
    Guarded<std::int8_t> packed(packed_s8_size(K, N));
    pack_s8(w.data(), N, 1, K, N, packed.data());
    Guarded<std::int32_t> sums(32, 99);
    column_sums_s8(packed.data(), K, N, sums.data());
    for (std::size_t n = 0; n < 32; ++n) {
      const std::int32_t expected = static_cast<std::int32_t>(K) * (n < 16 ? -128 + int(n) : n == 16 ? 127 : 0);
      REQUIRE(sums[n] == expected);
    }
    CHECK(sums.intact());
  }
}

namespace {

void check_against_reference(const std::vector<float>& w, std::size_t K, std::size_t N) {
  std::vector<std::int8_t> q(K * N);
  std::vector<float> scale(N);
  reference::quantize_weights_s8(w.data(), K, N, q.data(), scale.data());
  Guarded<std::int8_t> expected(packed_s8_size(K, N)), packed(packed_s8_size(K, N), 99);
  pack_s8(q.data(), static_cast<std::ptrdiff_t>(N), 1, K, N, expected.data());
  Guarded<float> scales(round_up(N, kPanel), 99.0f);
  quantize_pack_s8(w.data(), static_cast<std::ptrdiff_t>(N), 1, K, N, packed.data(), scales.data());
  CHECK(packed.same_bytes(expected));
  CHECK(packed.intact());
  CHECK(scales.intact());
  for (std::size_t n = 0; n < scales.size(); ++n) REQUIRE(scales[n] == (n < N ? scale[n] : 0.0f));
}

}  // namespace

TEST_CASE("quantize_pack_s8 rounds half to even and fills [-127, 127]") {
  // The largest magnitude is 127, so the scale is 1 and the values are their own quotients.
  const std::vector<float> w = {127, 0.5f, -0.5f, 1.5f, -1.5f, 2.5f, -2.5f, 126.5f, -126.5f, -127};
  Guarded<std::int8_t> packed(packed_s8_size(w.size(), 1));
  Guarded<float> scale(kPanel);
  quantize_pack_s8(w.data(), 1, 1, w.size(), 1, packed.data(), scale.data());
  const int expected[] = {127, 0, 0, 2, -2, 2, -2, 126, -126, -127};
  CHECK(scale[0] == 1.0f);
  for (std::size_t k = 0; k < w.size(); ++k) CHECK(int{packed[k / 4 * 64 + k % 4]} == expected[k]);
}

TEST_CASE("quantize_pack_s8 means the same as its reference") {
  for (std::size_t K : {1, 3, 8, 65}) {
    for (std::size_t N : {1, 15, 16, 17, 40}) {
      std::vector<float> w(K * N);
      for (std::size_t i = 0; i < w.size(); ++i)
        w[i] = std::sin(static_cast<float>(i * 7 + 1)) * std::exp2f(float(i % 9));
      for (std::size_t k = 0; k < K; ++k) w[k * N] = 0;  // a column of zeros
      check_against_reference(w, K, N);
    }
  }
}

TEST_CASE("quantize_pack_s8 survives the ends of the float range") {
  constexpr float kMax = std::numeric_limits<float>::max(), kTiny = std::numeric_limits<float>::denorm_min();
  check_against_reference({kMax, -kMax, 1, -1}, 2, 2);
  check_against_reference({kTiny, 100 * kTiny, -kTiny, -kTiny}, 2, 2);
  check_against_reference({1000 * kTiny, 129 * kTiny, -kTiny, 128 * kTiny}, 2, 2);
}
