// Level avx512 of gemm_u8s8, exact without VNNI: VPMADDUBSW would saturate at 16 bits, so bytes are widened and
// VPMADDWD adds pairs of 16-bit products in 32 bits. Even and odd bytes are widened where they lie, by shifts, so that
// the two products of a column stay in its lane and no shuffle is needed:
//   a0 b0 + a2 b2  from the even bytes,  a1 b1 + a3 b3  from the odd ones.
#include <cassert>

#include "kernels/gemm_strategy.h"
#include "kernels/gemm_tile_avx512.h"

namespace sesame::kernels::avx512 {
namespace {

// R x P accumulators, 2P registers of weights, 2 of a and one product: at most 29 of 32 (6 x 3: 27, 4 x 4: 27, 2 x 8:
// 35 would be too many, so 2 x 6: 27).
struct Tiles {
  static constexpr int kMaxRows = 6, kMaxPanels = 6;
  static constexpr int panels(int rows) { return rows <= 2 ? 6 : rows <= 4 ? 4 : 3; }
  static constexpr std::size_t kMaxSteps = kWholeDepth, kStepBytes = 4;  // bytes of a row of a in a step
  template <class Gemm>
  static std::size_t steps(const Gemm& g) {
    return (g.K + 3) / 4;
  }

  template <int R, int P, class Gemm>
  static void tile(const Gemm& g, const TileTask& task);
};

inline __m512i broadcast4(const std::uint8_t* a) {
  std::int32_t four;
  __builtin_memcpy(&four, a, 4);
  return _mm512_set1_epi32(four);
}

// The asm holds no instruction. It hides the sum from the compiler, which otherwise turns the sums of several steps
// into trees of additions and spills their leaves.
[[gnu::always_inline]] inline __m512i add_products(__m512i acc, __m512i a, __m512i b) {
  acc = _mm512_add_epi32(acc, _mm512_madd_epi16(a, b));
  asm("" : "+v"(acc));
  return acc;
}

template <int R, int P>
[[gnu::always_inline]] inline void step(const std::uint8_t* a, std::ptrdiff_t lda, const std::int8_t* b,
                                        std::size_t panel_bytes, __m512i (&acc)[R][P]) {
  __m512i even[P], odd[P];
#pragma GCC unroll 16
  for (int p = 0; p < P; ++p) {
    const __m512i w = _mm512_load_si512(b + p * panel_bytes);
    even[p] = _mm512_srai_epi16(_mm512_slli_epi16(w, 8), 8);
    odd[p] = _mm512_srai_epi16(w, 8);
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    const __m512i x = broadcast4(a + r * lda);
    const __m512i x_even = _mm512_and_si512(x, _mm512_set1_epi16(0xFF)), x_odd = _mm512_srli_epi16(x, 8);
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) {
      acc[r][p] = add_products(acc[r][p], x_even, even[p]);
      acc[r][p] = add_products(acc[r][p], x_odd, odd[p]);
    }
  }
}

template <int R, int P, class Gemm>
void Tiles::tile(const Gemm& g, const TileTask& task) {
  const std::size_t panel_size = steps(g) * kPanel * 4;
  const std::uint8_t* a = row_of(g.a, g.lda, task.m);
  const std::int8_t* b = g.b + task.panel * panel_size;
  __m512i acc[R][P];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) acc[r][p] = _mm512_loadu_si512(g.acc_init + (task.panel + p) * kPanel);
  }
  for_each_step<Tiles, R, P>(
      g, task, [&] __attribute__((always_inline)) {
        step<R, P>(a, g.lda, b, panel_size, acc);
        a += 4, b += kPanel * 4;
      });
  finish_tile_u8s8<Isa::avx512, R, P>(g, place_of(task.m, task.panel, P, g.N), acc);
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

}  // namespace sesame::kernels::avx512
