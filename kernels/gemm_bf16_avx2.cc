// Level avx2 of gemm_bf16: gemm_bf16_avx512.cc says how; here in registers of half the width.
#include <cassert>

#include "kernels/flush_denormals.h"
#include "kernels/gemm_strategy.h"
#include "kernels/gemm_tile_avx2.h"

namespace sesame::kernels::avx2 {
namespace {

// 2R accumulators, 4 registers of weights and 2 of a: 4 x 16 uses 14 of 16.
struct Tiles {
  static constexpr int kMaxRows = 4, kMaxPanels = 1;
  static constexpr int panels(int) { return 1; }
  static constexpr std::size_t kMaxSteps = kWholeDepth, kStepBytes = 4;  // bytes of a row of a in a step
  static std::size_t steps(const GemmBf16& g) { return (g.K + 1) / 2; }

  template <int R, int P>
  static void tile(const GemmBf16& g, const TileTask& task);
};

[[gnu::always_inline]] inline __m256i load_pairs(const std::uint16_t* p) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
}
[[gnu::always_inline]] inline __m256i broadcast_pair(const std::uint16_t* a) {
  std::int32_t pair;
  __builtin_memcpy(&pair, a, 4);
  return _mm256_set1_epi32(pair);
}
[[gnu::always_inline]] inline __m256 even(__m256i pairs) { return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)); }
[[gnu::always_inline]] inline __m256 odd(__m256i pairs) {
  return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(-65536)));
}

template <int R>
[[gnu::always_inline]] inline void step(const std::uint16_t* a, std::ptrdiff_t lda, const std::uint16_t* b,
                                        __m256 (&acc)[R][2]) {
  const __m256i w[2] = {load_pairs(b), load_pairs(b + kPanel)};
  const __m256 w_even[2] = {even(w[0]), even(w[1])}, w_odd[2] = {odd(w[0]), odd(w[1])};
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const __m256i x = broadcast_pair(a + r * lda);
    const __m256 x_even = even(x), x_odd = odd(x);
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {
      acc[r][h] = _mm256_fmadd_ps(x_odd, w_odd[h], acc[r][h]);
      acc[r][h] = _mm256_fmadd_ps(x_even, w_even[h], acc[r][h]);
    }
  }
}

// The chains, from 0.
template <int R>
[[gnu::always_inline]] inline void product(const GemmBf16& g, const TileTask& task, __m256 (&acc)[R][2]) {
  const std::uint16_t* a = row_of(g.a, g.lda, task.m);
  const std::uint16_t* b = g.b + task.panel * Tiles::steps(g) * kPanel * 2;
  const FlushDenormals flush;
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) acc[r][0] = acc[r][1] = _mm256_setzero_ps();
  keep_in_place(acc);
  for_each_step<Tiles, R, 1>(
      g, task, [&] __attribute__((always_inline)) {
        step<R>(a, g.lda, b, acc);
        a += 2, b += kPanel * 2;
      });
  keep_in_place(acc);
}

template <int R, int P>
void Tiles::tile(const GemmBf16& g, const TileTask& task) {
  __m256 acc[R][2];
  product<R>(g, task, acc);
  // Without a bias nothing is added, and adding -0 is that for every value.
  const TilePlace place = place_of(task.m, task.panel, g.N);
  __m256 bias[2];
  load_columns(g.epilogue.bias, -0.0f, place, bias);
#pragma GCC unroll 16
  for (int i = 0; i < R * 2; ++i) acc[i / 2][i % 2] = acc[i / 2][i % 2] + bias[i % 2];
  finish_tile<Isa::avx2, R>(g.epilogue, place, acc, g.c, g.ldc);
}

}  // namespace

void gemm_bf16(const GemmBf16& g) {
  assert(g.lda >= static_cast<std::ptrdiff_t>(round_up(g.K, 2)));
  run_gemm<Tiles>(g);
}

}  // namespace sesame::kernels::avx2
