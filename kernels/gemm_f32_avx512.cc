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
  static constexpr std::size_t kMaxSteps = 768, kStepBytes = 4;  // bytes of a row of a in a step
  static std::size_t steps(const GemmF32& g) { return g.K; }

  template <int R, int P>
  static void tile(const GemmF32& g, const TileTask& task);
};

template <int R, int P>
[[gnu::always_inline]] inline void step(const RowPointers<const float>& a, const float* b, std::size_t panel_size,
                                        __m512 (&acc)[R][P]) {
  __m512 w[P];
#pragma GCC unroll 16
  for (int p = 0; p < P; ++p) w[p] = _mm512_load_ps(b + p * panel_size);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    const __m512 x = _mm512_set1_ps(*a[r]);
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) acc[r][p] = _mm512_fmadd_ps(x, w[p], acc[r][p]);
  }
}

template <int R, int P>
void Tiles::tile(const GemmF32& g, const TileTask& task) {
  const std::size_t panel_size = g.K * kPanel;
  RowPointers a(row_of(g.a, g.lda, task.m) + task.step, g.lda);
  const float* b = g.b + task.panel * panel_size + task.step * kPanel;
  const TilePlace place = place_of(task.m, task.panel, P, g.N);
  __m512 acc[R][P];
  load_tile<R, P>(task, acc);
  for_each_step<Tiles, R, P>(
      g, task, [&] __attribute__((always_inline)) {
        step<R, P>(a, b, panel_size, acc);
        a.advance(1), b += kPanel;
      });
  if (task.last) {
    finish_tile_f32<Isa::avx512, R, P>(g, place, acc);
  } else {
    store_tile<R, P>(task, acc);
  }
}

}  // namespace

void gemm_f32(const GemmF32& g) { run_gemm<Tiles>(g); }

}  // namespace sesame::kernels::avx512
