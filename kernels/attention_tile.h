// The two products of attention_f32 in register tiles, over lanes.h.
//
// A tile is up to kTileRows rows by kTilePanels panels of 16 columns: an accumulator for each pair, a value of b for
// each panel and one of a.
//   avx512: 13 x 2 + 2 + 1 = 29 of 32 registers; 26 independent chains cover 4 cycles of latency times 2 a cycle
//   avx2:   (6 x 1 + 1) x 2 + 1 = 15 of 16 registers; 12 chains
//   scalar: small, since its lanes live in memory anyway
#pragma once

#include "kernels/attention_layout.h"
#include "kernels/lanes.h"

namespace sesame::kernels::SESAME_LEVEL {

#if defined(__AVX512F__)
inline constexpr int kTileRows = 13, kTilePanels = 2;
#elif defined(__AVX2__)
inline constexpr int kTileRows = 6, kTilePanels = 1;
#else
inline constexpr int kTileRows = 2, kTilePanels = 1;
#endif
static_assert(kTileRows <= static_cast<int>(kAttentionRows));

// The sum of a tile: `add` takes an element of a row and 16 of b. Without kScaled it goes to c as it is, without factor
// and bias.
struct FusedSum {
  static constexpr bool kScaled = true;
  static SESAME_INLINE Lanes add(Lanes a, Lanes b, Lanes acc) { return fma(a, b, acc); }
};

// c[r][n] = (chain over i of fma(a[r][i], b[n / 16][i][n % 16], .) from 0) * factor[r], + bias[r][n] when there is one.
struct TileProduct {
  const float* a;  // row stride lda
  std::ptrdiff_t lda;
  const float* b;  // panels of [depth][16]
  std::size_t depth, columns;
  const float* factor;
  const float* bias;  // row stride ld_bias, or null
  std::ptrdiff_t ld_bias;
  float* c;  // row stride ldc
  std::ptrdiff_t ldc;
};

// Walks down the columns of `rows` rows with a pointer to every third one: base, base + ld and base + 2 ld are one
// addressing mode each, while a pointer a row is more than the CPU has registers for, and compilers then spill them
// into vectors.
template <int rows>
class ColumnWalk {
 public:
  SESAME_INLINE ColumnWalk(const float* a, std::ptrdiff_t ld) : ld_(ld) {
#pragma GCC unroll 32
    for (int third = 0; third < kThirds; ++third) base_[third] = a + 3 * third * ld;
  }
  SESAME_INLINE Lanes element(int r) const { return splat(base_[r / 3][r % 3 * ld_]); }
  SESAME_INLINE void advance() {
#pragma GCC unroll 32
    for (int third = 0; third < kThirds; ++third) {
      ++base_[third];
      asm("" : "+r"(base_[third]));  // or the compiler makes it a pointer a row after all
    }
  }

 private:
  static constexpr int kThirds = (rows + 2) / 3;
  std::ptrdiff_t ld_;
  const float* base_[kThirds];
};

template <class Sum, int rows, int panels>
SESAME_INLINE void chain_tile(const TileProduct& t, Lanes (&acc)[rows][panels]) {
#pragma GCC unroll 32
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 4
    for (int p = 0; p < panels; ++p) acc[r][p] = zero();
  }
  const std::size_t panel = t.depth * kPanel;
  ColumnWalk<rows> a(t.a, t.lda);
  for (std::size_t i = 0; i < t.depth; ++i, a.advance()) {
    Lanes column[panels];
#pragma GCC unroll 4
    for (int p = 0; p < panels; ++p) column[p] = load(t.b + p * panel + i * kPanel);
#pragma GCC unroll 32
    for (int r = 0; r < rows; ++r) {
      const Lanes element = a.element(r);
#pragma GCC unroll 4
      for (int p = 0; p < panels; ++p) acc[r][p] = Sum::add(element, column[p], acc[r][p]);
    }
  }
}

template <class Sum, class Span>
SESAME_INLINE void finish(const TileProduct& t, Lanes chain, int r, std::size_t column, Span span) {
  if constexpr (!Sum::kScaled) return store(t.c + r * t.ldc + column, chain, span);
  Lanes y = chain * splat(t.factor[r]);
  if (t.bias) y = y + load(t.bias + r * t.ld_bias + column, span, 0.0f);
  store(t.c + r * t.ldc + column, y, span);
}

template <class Sum, int rows, int panels>
SESAME_INLINE void finish_tile(const TileProduct& t, const Lanes (&acc)[rows][panels]) {
#pragma GCC unroll 32
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 4
    for (int p = 0; p < panels; ++p) {
      const std::size_t column = p * kPanel;
      if (column + kPanel <= t.columns) {
        finish<Sum>(t, acc[r][p], r, column, Whole{});
      } else {
        finish<Sum>(t, acc[r][p], r, column, Part{t.columns - column});
      }
    }
  }
}

template <class Sum, int rows, int panels>
__attribute__((noinline)) void tile(const TileProduct& t) {
  Lanes acc[rows][panels];
  chain_tile<Sum, rows, panels>(t, acc);
  if (t.columns >= panels * kPanel && !t.bias) {
    // The same, with both questions answered once.
    TileProduct whole = t;
    whole.columns = panels * kPanel;
    whole.bias = nullptr;
    finish_tile<Sum, rows, panels>(whole, acc);
  } else {
    finish_tile<Sum, rows, panels>(t, acc);
  }
}

// The tile of `rows` rows: one instance for each number, so that no row is padded.
template <class Sum, int panels, int most = kTileRows>
SESAME_INLINE void tile_of(std::size_t rows, const TileProduct& t) {
  if constexpr (most > 1) {
    if (rows < most) return tile_of<Sum, panels, most - 1>(rows, t);
  }
  tile<Sum, most, panels>(t);
}

// The product of all columns.
template <class Sum = FusedSum>
void multiply_rows(std::size_t rows, TileProduct t) {
  std::size_t left = t.columns;
  const auto advance = [&](std::size_t columns) {
    t.b += columns * t.depth;
    t.c += columns;
    if (t.bias) t.bias += columns;
    left -= columns < left ? columns : left;
    t.columns = left;
  };
  while (left > (kTilePanels - 1) * kPanel) {
    tile_of<Sum, kTilePanels>(rows, t);
    advance(kTilePanels * kPanel);
  }
  while (left > 0) {
    tile_of<Sum, 1>(rows, t);
    advance(kPanel);
  }
}

}  // namespace sesame::kernels::SESAME_LEVEL
