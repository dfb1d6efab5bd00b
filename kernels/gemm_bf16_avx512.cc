// Level avx512 of gemm_bf16, without the instruction: a bf16 is the upper half of a float, so both values of a pair
// widen where they lie, the even one by a shift and the odd one by a mask, and each takes a fused multiply-add. Those
// of the weights widen in registers, a tile's rows of a once before its products: there they would cost as much as a
// third of the multiply-adds.
#include <cassert>

#include "kernels/flush_denormals.h"
#include "kernels/gemm_strategy.h"
#include "kernels/gemm_tile_avx512.h"

namespace sesame::kernels::avx512 {
namespace {

// R x P accumulators, P registers of weights, one of a and a mask: at most 29 of 32 (8 x 3: 29, 4 x 4: 22, 2 x 6: 20).
struct Tiles {
  static constexpr int kMaxRows = 8, kMaxPanels = 6;
  static constexpr int panels(int rows) { return rows <= 2 ? 6 : rows <= 4 ? 4 : 3; }
  static constexpr std::size_t kMaxSteps = 256, kStepBytes = 4;  // bytes of a row of a in a step
  static std::size_t steps(const GemmBf16& g) { return (g.K + 1) / 2; }

  template <int R, int P>
  static void tile(const GemmBf16& g, const TileTask& task);
};

// A row of a, widened. A line more than needed: rows a power of two apart would share the same few sets of L1.
constexpr std::size_t kWideRow = 2 * Tiles::kMaxSteps + kPanel;

// Pairs of bf16 to pairs of floats, the odd one first.
inline void widen_row(const std::uint16_t* a, std::size_t pairs, float* wide) {
  for (std::size_t i = 0; i < pairs; i += 8) {
    const __mmask8 there = pairs - i < 8 ? static_cast<__mmask8>((1u << (pairs - i)) - 1) : __mmask8{0xFF};
    const __m512i x = _mm512_cvtepu32_epi64(_mm256_maskz_loadu_epi32(there, a + 2 * i));
    const __m512i odd = _mm512_and_si512(x, _mm512_set1_epi64(0xFFFF0000)), even = _mm512_slli_epi64(x, 48);
    _mm512_store_si512(wide + 2 * i, _mm512_or_si512(odd, even));
  }
}

[[gnu::always_inline]] inline __m512 even(__m512i pairs) { return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)); }
[[gnu::always_inline]] inline __m512 odd(__m512i pairs) {
  return _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(-65536)));
}

// As the asm of gemm_u8s8_avx512vnni.cc, and for its reason.
[[gnu::always_inline]] inline __m512 fused(__m512 acc, __m512 a, __m512 b) {
  asm("vfmadd231ps %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b));
  return acc;
}

template <int R, int P>
[[gnu::always_inline]] inline void add_products(const float* a, const __m512 (&w)[P], __m512 (&acc)[R][P]) {
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    const __m512 x = _mm512_set1_ps(a[r * kWideRow]);
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) acc[r][p] = fused(acc[r][p], x, w[p]);
  }
}

template <int R, int P>
[[gnu::always_inline]] inline void step(const float* a, const std::uint16_t* b, std::size_t panel_size,
                                        __m512 (&acc)[R][P]) {
  __m512 w[P];
#pragma GCC unroll 16
  for (int p = 0; p < P; ++p) w[p] = odd(_mm512_load_si512(b + p * panel_size));
  add_products<R, P>(a, w, acc);
#pragma GCC unroll 16
  for (int p = 0; p < P; ++p) w[p] = even(_mm512_load_si512(b + p * panel_size));
  add_products<R, P>(a + 1, w, acc);
}

// The task's part of the chains.
template <int R, int P>
[[gnu::always_inline]] inline void product(const GemmBf16& g, const TileTask& task, __m512 (&acc)[R][P]) {
  const std::size_t panel_size = Tiles::steps(g) * kPanel * 2;
  const std::uint16_t* b = g.b + task.panel * panel_size + task.step * kPanel * 2;
  alignas(64) float wide[R * kWideRow];
  for (int r = 0; r < R; ++r) {
    widen_row(row_of(g.a, g.lda, task.m + static_cast<std::size_t>(r)) + task.step * 2, task.steps,
              wide + r * kWideRow);
  }
  const float* a = wide;
  const FlushDenormals flush;
  load_tile<R, P>(task, acc);
  keep_in_place(acc);
  for_each_step<Tiles, R, P>(
      g, task, [&] __attribute__((always_inline)) {
        step<R, P>(a, b, panel_size, acc);
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
