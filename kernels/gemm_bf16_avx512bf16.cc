// Level avx512bf16 of gemm_bf16: VDPBF16PS multiplies 16 columns x 2 values of k in an instruction.
#include <cassert>

#include "kernels/gemm_strategy.h"
#include "kernels/gemm_tile_avx512.h"

namespace sesame::kernels::avx512bf16 {
namespace {

// As the asm of gemm_u8s8_avx512vnni.cc, and for its reason.
[[gnu::always_inline]] inline __m512 dpbf16(__m512 acc, __m512i a, __m512i b) {
  asm("vdpbf16ps %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b));
  return acc;
}

inline __m512i broadcast_pair(const std::uint16_t* a) {
  std::int32_t pair;
  __builtin_memcpy(&pair, a, 4);
  return _mm512_set1_epi32(pair);
}

// R x P accumulators, P registers of weights and one of a: at most 31 of 32 (8 x 3: 28, 6 x 4: 29, 4 x 6: 31). The
// depth is split as fp32's is, so that 8 rows of a part (24 KiB) stay in a small L1.
struct Tiles {
  static constexpr int kMaxRows = 8, kMaxPanels = 8;
  static constexpr int panels(int rows) { return rows <= 2 ? 8 : rows <= 4 ? 6 : rows <= 6 ? 4 : 3; }
  static constexpr std::size_t kMaxSteps = 768, kStepBytes = 4;  // bytes of a row of a in a step
  static std::size_t steps(const GemmBf16& g) { return (g.K + 1) / 2; }

  template <int R, int P>
  static void tile(const GemmBf16& g, const TileTask& task);
};

template <int R, int P>
[[gnu::always_inline]] inline void step(const RowPointers<const std::uint16_t>& a, const std::uint16_t* b,
                                        std::size_t panel_size, __m512 (&acc)[R][P]) {
  __m512i w[P];
#pragma GCC unroll 16
  for (int p = 0; p < P; ++p) w[p] = _mm512_load_si512(b + p * panel_size);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    const __m512i x = broadcast_pair(a[r]);
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) acc[r][p] = dpbf16(acc[r][p], x, w[p]);
  }
}

template <int R, int P>
void Tiles::tile(const GemmBf16& g, const TileTask& task) {
  const std::size_t panel_size = steps(g) * kPanel * 2;
  RowPointers a(row_of(g.a, g.lda, task.m) + task.step * 2, g.lda);
  const std::uint16_t* b = g.b + task.panel * panel_size + task.step * kPanel * 2;
  const TilePlace place = place_of(task.m, task.panel, P, g.N);
  __m512 acc[R][P];
  load_tile<R, P>(task, acc);
  for_each_step<Tiles, R, P>(
      g, task, [&] __attribute__((always_inline)) {
        step<R, P>(a, b, panel_size, acc);
        a.advance(2), b += kPanel * 2;
      });
  if (task.last) {
    finish_tile_f32<Isa::avx512bf16, R, P>(g, place, acc);
  } else {
    store_tile<R, P>(task, acc);
  }
}

}  // namespace

void gemm_bf16(const GemmBf16& g) {
  assert(g.lda >= static_cast<std::ptrdiff_t>(round_up(g.K, 2)));
  run_gemm<Tiles>(g);
}

}  // namespace sesame::kernels::avx512bf16
