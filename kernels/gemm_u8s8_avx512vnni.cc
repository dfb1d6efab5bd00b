// Level avx512vnni of gemm_u8s8: VPDPBUSD multiplies 16 columns x 4 values of k in an instruction.
#include <cassert>

#include "kernels/gemm_strategy.h"
#include "kernels/gemm_tile_avx512.h"

namespace sesame::kernels::avx512vnni {
namespace {

// g++ 12 spills the accumulators around _mm512_dpbusd_epi32 (0.35 to 0.70 of the peak); around this it doesn't.
// The sum goes in and out by value: an array element as operand would keep the array in memory.
[[gnu::always_inline]] inline __m512i dpbusd(__m512i acc, __m512i a, __m512i b) {
  asm("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b));
  return acc;
}

inline __m512i broadcast4(const std::uint8_t* a) {
  std::int32_t four;
  __builtin_memcpy(&four, a, 4);
  return _mm512_set1_epi32(four);
}

// R x P accumulators, P registers of weights and one of a: at most 31 of 32 (8 x 3: 28, 6 x 4: 29, 4 x 6: 31). Two
// VPDPBUSD a cycle with a latency of 5 want 10 accumulators; 1 x 8 and 2 x 8 are bound by the weights' way from cache,
// which is a tenth to a fifth shorter for 2 rows in 8 streams than in 4.
struct Tiles {
  static constexpr int kMaxRows = 8, kMaxPanels = 8;
  static constexpr int panels(int rows) { return rows <= 2 ? 8 : rows <= 4 ? 6 : rows <= 6 ? 4 : 3; }
  static constexpr std::size_t kMaxSteps = kWholeDepth, kStepBytes = 4;  // bytes of a row of a in a step
  template <class Gemm>
  static std::size_t steps(const Gemm& g) {
    return (g.K + 3) / 4;
  }

  template <int R, int P, class Gemm>
  static void tile(const Gemm& g, const TileTask& task);
};

template <int R, int P>
[[gnu::always_inline]] inline void step(const RowPointers<const std::uint8_t>& a, const std::int8_t* b,
                                        std::size_t panel_bytes, __m512i (&acc)[R][P]) {
  __m512i w[P];
#pragma GCC unroll 16
  for (int p = 0; p < P; ++p) w[p] = _mm512_load_si512(b + p * panel_bytes);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    const __m512i x = broadcast4(a[r]);
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) acc[r][p] = dpbusd(acc[r][p], x, w[p]);
  }
}

template <int R, int P, class Gemm>
void Tiles::tile(const Gemm& g, const TileTask& task) {
  const std::size_t panel_size = steps(g) * kPanel * 4;
  RowPointers a(row_of(g.a, g.lda, task.m), g.lda);
  const std::int8_t* b = g.b + task.panel * panel_size;
  __m512i acc[R][P];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) acc[r][p] = _mm512_loadu_si512(g.acc_init + (task.panel + p) * kPanel);
  }
  const TilePlace place = place_of(task.m, task.panel, P, g.N);
  for_each_step<Tiles, R, P>(
      g, task, [&] __attribute__((always_inline)) {
        step<R, P>(a, b, panel_size, acc);
        a.advance(4), b += kPanel * 4;
      });
  finish_tile_u8s8<Isa::avx512vnni, R, P>(g, place, acc);
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

}  // namespace sesame::kernels::avx512vnni
