// Level avx512 of gemm_f32: 16 columns a register, one fused multiply-add for each k.
#include "kernels/gemm_strategy.h"
#include "kernels/gemm_tile_avx512.h"

namespace sesame::kernels::avx512 {
namespace {

// R x P accumulators, P registers of weights and one of a: at most 31 of 32 (8 x 3: 28, 6 x 4: 29, 4 x 6: 31). Two
// fused multiply-adds a cycle with a latency of 4 want 8 accumulators.
struct Tiles {
  static constexpr int kMaxRows = 8, kMaxPanels = 8;
  static constexpr int panels(int rows) { return rows <= 2 ? 8 : rows <= 4 ? 6 : rows <= 6 ? 4 : 3; }
  static std::size_t panel_bytes(const GemmF32& g) { return g.K * kPanel * sizeof(float); }

  template <int R, int P>
  static void tile(const GemmF32& g, std::size_t m, std::size_t panel, Prefetch prefetch);
};

template <int R, int P>
[[gnu::always_inline]] inline void step(const float* a, std::ptrdiff_t lda, const float* b, std::size_t panel_size,
                                        __m512 (&acc)[R][P]) {
  __m512 w[P];
#pragma GCC unroll 16
  for (int p = 0; p < P; ++p) w[p] = _mm512_load_ps(b + p * panel_size);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    const __m512 x = _mm512_set1_ps(a[r * lda]);
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) acc[r][p] = _mm512_fmadd_ps(x, w[p], acc[r][p]);
  }
}

template <int R, int P>
void Tiles::tile(const GemmF32& g, std::size_t m, std::size_t panel, Prefetch prefetch) {
  const std::size_t panel_size = g.K * kPanel;
  const float* a = g.a + static_cast<std::ptrdiff_t>(m) * g.lda;
  const float* b = g.b + panel * panel_size;
  __m512 acc[R][P];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) acc[r][p] = _mm512_setzero_ps();
  }
  for_each_step(g.K, prefetch, [&] {
    step<R, P>(a, g.lda, b, panel_size, acc);
    ++a, b += kPanel;
  });
  finish_tile_f32<Isa::avx512, R, P>(g, place_of(m, panel, P, g.N), acc);
}

}  // namespace

void gemm_f32(const GemmF32& g) { run_gemm<Tiles>(g); }

}  // namespace sesame::kernels::avx512
