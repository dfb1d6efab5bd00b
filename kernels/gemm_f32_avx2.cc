// Level avx2 of gemm_f32: 8 columns a register, one fused multiply-add for each k.
#include "kernels/gemm_strategy.h"
#include "kernels/gemm_tile_avx2.h"

namespace sesame::kernels::avx2 {
namespace {

// 2R accumulators, 2 registers of weights and one of a: 6 x 16 uses 15 of 16.
struct Tiles {
  static constexpr int kMaxRows = 6, kMaxPanels = 1;
  static constexpr int panels(int) { return 1; }
  static constexpr std::size_t kMaxSteps = kWholeDepth, kStepBytes = 4;  // bytes of a row of a in a step
  static std::size_t steps(const GemmF32& g) { return g.K; }

  template <int R, int P>
  static void tile(const GemmF32& g, const TileTask& task);
};

template <int R>
[[gnu::always_inline]] inline void step(const float* a, std::ptrdiff_t lda, const float* b, __m256 (&acc)[R][2]) {
  const __m256 w0 = _mm256_load_ps(b), w1 = _mm256_load_ps(b + kHalf);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const __m256 x = _mm256_broadcast_ss(a + r * lda);
    acc[r][0] = _mm256_fmadd_ps(x, w0, acc[r][0]);
    acc[r][1] = _mm256_fmadd_ps(x, w1, acc[r][1]);
  }
}

template <int R, int P>
void Tiles::tile(const GemmF32& g, const TileTask& task) {
  const float* a = row_of(g.a, g.lda, task.m);
  const float* b = g.b + task.panel * g.K * kPanel;
  __m256 acc[R][2];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) acc[r][0] = acc[r][1] = _mm256_setzero_ps();
  for_each_step<Tiles, R, P>(
      g, task, [&] __attribute__((always_inline)) {
        step<R>(a, g.lda, b, acc);
        ++a, b += kPanel;
      });
  // Without a bias nothing is added, and adding -0 is that for every value.
  const TilePlace place = place_of(task.m, task.panel, g.N);
  __m256 bias[2];
  load_columns(g.epilogue.bias, -0.0f, place, bias);
#pragma GCC unroll 16
  for (int i = 0; i < R * 2; ++i) acc[i / 2][i % 2] = acc[i / 2][i % 2] + bias[i % 2];
  finish_tile<Isa::avx2, R>(g.epilogue, place, acc, g.c, g.ldc);
}

}  // namespace

void gemm_f32(const GemmF32& g) { run_gemm<Tiles>(g); }

}  // namespace sesame::kernels::avx2
