// Level avxvnni of gemm_u8s8: VPDPBUSD in registers of half the width, for CPUs without AVX-512.
#include <cassert>

#include "kernels/gemm_strategy.h"
#include "kernels/gemm_tile_avx2.h"

namespace sesame::kernels::avxvnni {
namespace {

// 2R accumulators, 2 registers of weights and one of a: 6 x 16 uses 15 of 16. 12 sums cover a latency of 5 at two
// VPDPBUSD a cycle.
struct Tiles {
  static constexpr int kMaxRows = 6, kMaxPanels = 1;
  static constexpr int panels(int) { return 1; }
  static constexpr std::size_t kMaxSteps = kWholeDepth, kStepBytes = 4;  // bytes of a row of a in a step
  template <class Gemm>
  static std::size_t steps(const Gemm& g) {
    return (g.K + 3) / 4;
  }

  template <int R, int P, class Gemm>
  static void tile(const Gemm& g, const TileTask& task);
};

// As the asm of gemm_u8s8_avx512vnni.cc, and for its reason; {vex} for CPUs that have no other encoding.
[[gnu::always_inline]] inline __m256i dpbusd(__m256i acc, __m256i a, __m256i b) {
  asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc) : "x"(a), "x"(b));
  return acc;
}

template <int R, int P, class Gemm>
void Tiles::tile(const Gemm& g, const TileTask& task) {
  const std::uint8_t* a = row_of(g.a, g.lda, task.m);
  const std::int8_t* b = g.b + task.panel * steps(g) * kPanel * 4;
  __m256i acc[R][2];
  load_sums<R>(g.acc_init + task.panel * kPanel, acc);
  for_each_step<Tiles, R, P>(
      g, task, [&] __attribute__((always_inline)) {
        const __m256i w[2] = {load_bytes(b), load_bytes(b + 32)};
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
          const __m256i x = broadcast4(a + r * g.lda);
          acc[r][0] = dpbusd(acc[r][0], x, w[0]);
          acc[r][1] = dpbusd(acc[r][1], x, w[1]);
        }
        a += 4, b += kPanel * 4;
      });
  finish_tile_u8s8<Isa::avxvnni, R>(g, place_of(task.m, task.panel, g.N), acc);
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

}  // namespace sesame::kernels::avxvnni
