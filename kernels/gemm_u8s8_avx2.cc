// Level avx2 of gemm_u8s8: gemm_u8s8_avx512.cc says how bytes are widened; here in registers of half the width.
#include <cassert>

#include "kernels/gemm_strategy.h"
#include "kernels/gemm_tile_avx2.h"

namespace sesame::kernels::avx2 {
namespace {

// 2R accumulators, 4 registers of weights, 2 of a and one product: 4 x 16 uses 15 of 16.
struct Tiles {
  static constexpr int kMaxRows = 4, kMaxPanels = 1;
  static constexpr int panels(int) { return 1; }
  static constexpr std::size_t kMaxSteps = kWholeDepth, kStepBytes = 4;  // bytes of a row of a in a step
  template <class Gemm>
  static std::size_t steps(const Gemm& g) {
    return (g.K + 3) / 4;
  }

  template <int R, int P, class Gemm>
  static void tile(const Gemm& g, const TileTask& task);
};

// The asm holds no instruction. It hides the sum from the compiler, which otherwise turns the sums of several steps
// into trees of additions and spills their leaves.
[[gnu::always_inline]] inline __m256i add_products(__m256i acc, __m256i a, __m256i b) {
  acc = _mm256_add_epi32(acc, _mm256_madd_epi16(a, b));
  asm("" : "+x"(acc));
  return acc;
}

template <int R>
[[gnu::always_inline]] inline void step(const std::uint8_t* a, std::ptrdiff_t lda, const std::int8_t* b,
                                        __m256i (&acc)[R][2]) {
  const __m256i w0 = load_bytes(b), w1 = load_bytes(b + 32);
  const __m256i even[2] = {_mm256_srai_epi16(_mm256_slli_epi16(w0, 8), 8),
                           _mm256_srai_epi16(_mm256_slli_epi16(w1, 8), 8)};
  const __m256i odd[2] = {_mm256_srai_epi16(w0, 8), _mm256_srai_epi16(w1, 8)};
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const __m256i x = broadcast4(a + r * lda);
    const __m256i x_even = _mm256_srli_epi16(_mm256_slli_epi16(x, 8), 8), x_odd = _mm256_srli_epi16(x, 8);
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {
      acc[r][h] = add_products(acc[r][h], x_even, even[h]);
      acc[r][h] = add_products(acc[r][h], x_odd, odd[h]);
    }
  }
}

template <int R, int P, class Gemm>
void Tiles::tile(const Gemm& g, const TileTask& task) {
  const std::uint8_t* a = row_of(g.a, g.lda, task.m);
  const std::int8_t* b = g.b + task.panel * steps(g) * kPanel * 4;
  __m256i acc[R][2];
  load_sums<R>(g.acc_init + task.panel * kPanel, acc);
  for_each_step<Tiles, R, P>(
      g, task, [&] __attribute__((always_inline)) {
        step<R>(a, g.lda, b, acc);
        a += 4, b += kPanel * 4;
      });
  finish_tile_u8s8<Isa::avx2, R>(g, place_of(task.m, task.panel, g.N), acc);
}

}  // namespace

void gemm_u8s8(const GemmU8S8& g) {
  assert(g.K <= kMaxK && g.lda >= static_cast<std::ptrdiff_t>(round_up(g.K, 4)));
  run_gemm<Tiles>(g);
}

void sums_u8s8(const SumsU8S8& g) {
  assert(g.lda >= static_cast<std::ptrdiff_t>(round_up(g.K, 4)));
  run_gemm<Tiles>(g);
}

}  // namespace sesame::kernels::avx2
