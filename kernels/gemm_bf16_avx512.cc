// Level avx512 of gemm_bf16, without the instruction: a bf16 is the upper half of a float, so both values of a pair
// widen where they lie, the even one by a shift and the odd one by a mask, and each takes a fused multiply-add. Rows of
// a widen once for several blocks of columns: in registers it would cost as much as a third of the multiply-adds, and
// for each tile anew 9 %. Weights widen in registers, which costs a ninth, so the first of several row blocks leaves
// them to the others: its multiply-adds hide the stores, which in a loop of their own take half as long as a tile.
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
  static constexpr std::size_t kMaxSteps = 192, kStepBytes = 4;  // bytes of a row of a in a step
  static std::size_t steps(const GemmBf16& g) { return (g.K + 1) / 2; }

  // A row of a has a line more than needed: rows a power of two apart would share the same few sets of L1. Weights
  // are those of a part of the depth of 3 panels, what several row blocks have (at least 5 rows each): 72 KiB, which L2
  // keeps.
  static constexpr int kMaxWidePanels = 3;
  static constexpr std::size_t kWideRow = 2 * kMaxSteps + kPanel;
  struct Wide {
    static constexpr std::size_t kColumns = 3;
    float rows[kMaxRows * kWideRow];
    alignas(64) float weights[kColumns][kMaxWidePanels * kMaxSteps * 2 * kPanel];
  };

  template <int R, int P>
  static void tile(const GemmBf16& g, const TileTask& task);
};

// 16 values of a, widened.
[[gnu::always_inline]] inline __m512i widened(__m256i values) {
  return _mm512_slli_epi32(_mm512_cvtepu16_epi32(values), 16);
}

inline void widen_row(const std::uint16_t* a, std::size_t count, float* wide) {
  std::size_t i = 0;
  for (; i + kPanel <= count; i += kPanel) {
    _mm512_store_si512(wide + i, widened(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + i))));
  }
  if (i == count) return;
  const auto there = static_cast<__mmask16>((1u << (count - i)) - 1);
  _mm512_store_si512(wide + i, widened(_mm256_maskz_loadu_epi16(there, a + i)));
}

inline void widen_rows(const GemmBf16& g, const TileTask& task, int rows) {
  for (int r = 0; r < rows; ++r) {
    widen_row(row_of(g.a, g.lda, task.m + static_cast<std::size_t>(r)) + task.step * 2, task.steps * 2,
              task.wide_rows + r * Tiles::kWideRow);
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
    const __m512 x = _mm512_set1_ps(a[r * Tiles::kWideRow]);
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) acc[r][p] = fused(acc[r][p], x, w[p]);
  }
}

// Where a tile's weights of a step come from: w[p] of the odd values of k, then of the even ones.
struct Packed {
  const std::uint16_t* b;
  std::size_t panel_size;

  __m512 odd_of(int p) const { return odd(_mm512_load_si512(b + p * panel_size)); }
  __m512 even_of(int p) const { return even(_mm512_load_si512(b + p * panel_size)); }
  void advance() { b += kPanel * 2; }
};

// [panels][steps][odd, even][16]
struct Widened {
  float* b;
  std::size_t panel_size;

  __m512 odd_of(int p) const { return _mm512_load_ps(b + p * panel_size); }
  __m512 even_of(int p) const { return _mm512_load_ps(b + p * panel_size + kPanel); }
  void advance() { b += kPanel * 2; }
};

// Packed ones, which are left widened.
struct Widening {
  Packed from;
  Widened to;

  __m512 odd_of(int p) const { return left(from.odd_of(p), p, 0); }
  __m512 even_of(int p) const { return left(from.even_of(p), p, kPanel); }
  __m512 left(__m512 w, int p, std::size_t place) const {
    _mm512_store_ps(to.b + p * to.panel_size + place, w);
    return w;
  }
  void advance() { from.advance(), to.advance(); }
};

template <int R, int P, class Weights>
[[gnu::always_inline]] inline void step(const float* a, const Weights& weights, __m512 (&acc)[R][P]) {
  __m512 w[P];
#pragma GCC unroll 16
  for (int p = 0; p < P; ++p) w[p] = weights.odd_of(p);
  add_products<R, P>(a + 1, w, acc);
#pragma GCC unroll 16
  for (int p = 0; p < P; ++p) w[p] = weights.even_of(p);
  add_products<R, P>(a, w, acc);
}

// The task's part of the chains.
template <int R, int P, class Weights>
[[gnu::always_inline]] inline void product(const GemmBf16& g, const TileTask& task, Weights weights,
                                           __m512 (&acc)[R][P]) {
  const float* a = task.wide_rows;
  const FlushDenormals flush;
  load_tile<R, P>(task, acc);
  keep_in_place(acc);
  for_each_step<Tiles, R, P>(
      g, task, [&] __attribute__((always_inline)) {
        step<R, P>(a, weights, acc);
        a += 2, weights.advance();
      });
  keep_in_place(acc);
}

template <int R, int P>
void Tiles::tile(const GemmBf16& g, const TileTask& task) {
  const TilePlace place = place_of(task.m, task.panel, P, g.N);
  __m512 acc[R][P];
  if (task.widens_rows) widen_rows(g, task, R);
  const std::size_t panel_size = Tiles::steps(g) * kPanel * 2;
  const Packed packed{g.b + task.panel * panel_size + task.step * kPanel * 2, panel_size};
  const Widened widened{task.wide_weights, task.steps * kPanel * 2};
  if (P > kMaxWidePanels || task.wide_weights == nullptr) {
    product<R, P>(g, task, packed, acc);
  } else if (task.widens_weights) {
    product<R, P>(g, task, Widening{packed, widened}, acc);
  } else {
    product<R, P>(g, task, widened, acc);
  }
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
