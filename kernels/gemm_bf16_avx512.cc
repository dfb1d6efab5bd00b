// Level avx512 of gemm_bf16, without the instruction: a bf16 is the upper half of a float, so both values of a pair
// widen where they lie, the even one by a shift and the odd one by a mask, and each takes a fused multiply-add.
#include <cassert>

#include "kernels/flush_denormals.h"
#include "kernels/gemm_strategy.h"
#include "kernels/gemm_tile_avx512.h"

namespace sesame::kernels::avx512 {
namespace {

// R x P accumulators, 2P registers of weights, 2 of a and a mask: at most 30 of 32 (7 x 3: 30, 4 x 4: 27, 2 x 6: 27).
struct Tiles {
  static constexpr int kMaxRows = 7, kMaxPanels = 6;
  static constexpr int panels(int rows) { return rows <= 2 ? 6 : rows <= 4 ? 4 : 3; }
  static constexpr std::size_t kMaxSteps = 768, kStepBytes = 4;  // bytes of a row of a in a step
  static std::size_t steps(const GemmBf16& g) { return (g.K + 1) / 2; }

  template <int R, int P>
  static void tile(const GemmBf16& g, const TileTask& task);
};

[[gnu::always_inline]] inline __m512i broadcast_pair(const std::uint16_t* a) {
  std::int32_t pair;
  __builtin_memcpy(&pair, a, 4);
  return _mm512_set1_epi32(pair);
}
[[gnu::always_inline]] inline __m512 even(__m512i pairs) { return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)); }
[[gnu::always_inline]] inline __m512 odd(__m512i pairs) {
  return _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(-65536)));
}

template <int R, int P>
[[gnu::always_inline]] inline void step(const std::uint16_t* a, std::ptrdiff_t lda, const std::uint16_t* b,
                                        std::size_t panel_size, __m512 (&acc)[R][P]) {
  __m512 w_even[P], w_odd[P];
#pragma GCC unroll 16
  for (int p = 0; p < P; ++p) {
    const __m512i w = _mm512_load_si512(b + p * panel_size);
    w_even[p] = even(w), w_odd[p] = odd(w);
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    const __m512i x = broadcast_pair(a + r * lda);
    const __m512 x_even = even(x), x_odd = odd(x);
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) acc[r][p] = _mm512_fmadd_ps(x_odd, w_odd[p], acc[r][p]);
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) acc[r][p] = _mm512_fmadd_ps(x_even, w_even[p], acc[r][p]);
  }
}

// The task's part of the chains.
template <int R, int P>
[[gnu::always_inline]] inline void product(const GemmBf16& g, const TileTask& task, __m512 (&acc)[R][P]) {
  const std::size_t panel_size = Tiles::steps(g) * kPanel * 2;
  const std::uint16_t* a = row_of(g.a, g.lda, task.m) + task.step * 2;
  const std::uint16_t* b = g.b + task.panel * panel_size + task.step * kPanel * 2;
  const FlushDenormals flush;
  load_tile<R, P>(task, acc);
  keep_in_place(acc);
  for_each_step<Tiles, R, P>(g, task, [&] {
    step<R, P>(a, g.lda, b, panel_size, acc);
    a += 2, b += kPanel * 2;
  });
  keep_in_place(acc);
}

template <int R, int P>
void Tiles::tile(const GemmBf16& g, const TileTask& task) {
  const TilePlace place = place_of(task.m, task.panel, P, g.N);
  __m512 acc[R][P];
  product<R, P>(g, task, acc);
  if (task.last) {
    finish_tile_f32<Isa::avx512, R, P>(g, place, acc);
  } else {
    store_tile<R, P>(task, acc);
  }
}

}  // namespace

void gemm_bf16(const GemmBf16& g) {
  assert(g.lda >= static_cast<std::ptrdiff_t>(round_up(g.K, 2)));
  run_gemm<Tiles>(g);
}

}  // namespace sesame::kernels::avx512
