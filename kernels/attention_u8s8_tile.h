// The two integer products of attention_u8s8 in register tiles, over lanes.h.
//
// A tile is rows x panels of 16 columns: an accumulator for each pair, the weights of each panel and one value of a.
//   avx512vnni: 6 x 4 + 4 + 1 = 29 of 32 registers, or 12 x 2 + 2 + 1 = 27
//   avx512:     4 x 4 + 2 * 4 + 3 = 27, or 8 x 2 + 2 * 2 + 3 = 23 (widened bytes take two registers)
//   avxvnni:    (6 x 1) * 2 + 2 + 1 = 15 of 16
//   avx2:       (4 x 1) * 2 + 4 + 3 = 15 of 16
//   scalar:     small, since its lanes live in memory anyway
#pragma once

#include "kernels/attention_u8s8_layout.h"
#include "kernels/bytes_lanes.h"

namespace sesame::kernels::SESAME_LEVEL {

#if defined(__AVX512VNNI__)
inline constexpr std::size_t kTilePanels = 4, kNarrowRows = 12, kWideRows = 6;
#elif defined(__AVX512F__)
inline constexpr std::size_t kTilePanels = 4, kNarrowRows = 8, kWideRows = 4;
#elif defined(__AVXVNNI__)
inline constexpr std::size_t kTilePanels = 1, kNarrowRows = 6, kWideRows = 6;
#elif defined(__AVX2__)
inline constexpr std::size_t kTilePanels = 1, kNarrowRows = 4, kWideRows = 4;
#else
inline constexpr std::size_t kTilePanels = 1, kNarrowRows = 2, kWideRows = 2;
#endif

// Rows of a tile of so many panels at most.
constexpr std::size_t tile_rows(std::size_t panels) { return panels <= 2 ? kNarrowRows : kWideRows; }

// c[r][n] = init[n] + sum over i < 4 * steps of a[r][i] * b[n / 16][i / 4][n % 16][i % 4], panels of 16 columns.
struct ByteProduct {
  const std::uint8_t* a;  // row stride lda
  std::ptrdiff_t lda;
  const std::int8_t* b;
  std::size_t panel_bytes, steps;
  const std::int32_t* init;  // or null for 0
  float* c;                  // holds int32; row stride ldc
  std::ptrdiff_t ldc;
};

// Walks down the columns of `rows` rows, four bytes a step, with a pointer to every third one: a pointer a row is more
// than the CPU has registers for.
template <int rows>
class ByteWalk {
 public:
  SESAME_INLINE ByteWalk(const std::uint8_t* a, std::ptrdiff_t ld) : ld_(ld) {
#pragma GCC unroll 32
    for (int third = 0; third < kThirds; ++third) base_[third] = a + 3 * third * ld;
  }
  SESAME_INLINE Ints element(int r) const {
    std::int32_t four;
    __builtin_memcpy(&four, base_[r / 3] + r % 3 * ld_, 4);
    return splat(four);
  }
  SESAME_INLINE void advance() {
#pragma GCC unroll 32
    for (int third = 0; third < kThirds; ++third) {
      base_[third] += 4;
      asm("" : "+r"(base_[third]));  // or the compiler makes it a pointer a row after all
    }
  }

 private:
  static constexpr int kThirds = (rows + 2) / 3;
  std::ptrdiff_t ld_;
  const std::uint8_t* base_[kThirds];
};

template <int rows, int panels>
__attribute__((noinline)) void byte_tile(const ByteProduct& t) {
  Ints acc[rows][panels];
#pragma GCC unroll 4
  for (int p = 0; p < panels; ++p) {
    const Ints init = t.init ? load_ints(t.init + p * kPanel) : splat(0);
#pragma GCC unroll 32
    for (int r = 0; r < rows; ++r) acc[r][p] = init;
  }
  ByteWalk<rows> a(t.a, t.lda);
  const std::int8_t* b = t.b;
  const std::size_t panel_bytes = t.panel_bytes;
  for (std::size_t i = t.steps; i > 0; --i, a.advance(), b += kPanel * 4) {
    Ints column[panels];
#pragma GCC unroll 4
    for (int p = 0; p < panels; ++p) column[p] = load_ints(b + p * panel_bytes);
#pragma GCC unroll 32
    for (int r = 0; r < rows; ++r) {
      const Ints element = a.element(r);
#pragma GCC unroll 4
      for (int p = 0; p < panels; ++p) acc[r][p] = dot4(acc[r][p], element, column[p]);
    }
  }
  float* c = t.c;
  const std::ptrdiff_t ldc = t.ldc;
#pragma GCC unroll 32
  for (int r = 0; r < rows; ++r, c += ldc) {
#pragma GCC unroll 4
    for (int p = 0; p < panels; ++p) store_ints(c + p * kPanel, acc[r][p]);
  }
}

// The tile of `rows` rows: one instance for each number, so that no row is padded.
template <int panels, int most>
SESAME_INLINE void byte_tile_of(std::size_t rows, const ByteProduct& t) {
  if constexpr (most > 1) {
    if (rows < most) return byte_tile_of<panels, most - 1>(rows, t);
  }
  byte_tile<most, panels>(t);
}

// All rows of `panels` panels, split evenly.
template <int panels>
SESAME_INLINE void multiply_panels(std::size_t rows, ByteProduct t) {
  constexpr std::size_t most = tile_rows(panels);
  for (std::size_t tiles = (rows + most - 1) / most; tiles > 0; --tiles) {
    const std::size_t count = (rows + tiles - 1) / tiles;
    byte_tile_of<panels, static_cast<int>(most)>(count, t);
    t.a += static_cast<std::ptrdiff_t>(count) * t.lda;
    t.c += static_cast<std::ptrdiff_t>(count) * t.ldc;
    rows -= count;
  }
}

template <int most = static_cast<int>(kTilePanels)>
SESAME_INLINE void multiply_panels_of(std::size_t panels, std::size_t rows, const ByteProduct& t) {
  if constexpr (most > 1) {
    if (panels < most) return multiply_panels_of<most - 1>(panels, rows, t);
  }
  multiply_panels<most>(rows, t);
}

// The product of `panels` panels, split evenly.
inline void multiply_bytes(std::size_t rows, std::size_t panels, ByteProduct t) {
  for (std::size_t tiles = (panels + kTilePanels - 1) / kTilePanels; tiles > 0; --tiles) {
    const std::size_t count = (panels + tiles - 1) / tiles;
    multiply_panels_of(count, rows, t);
    t.b += count * t.panel_bytes;
    t.c += count * kPanel;
    if (t.init) t.init += count * kPanel;
    panels -= count;
  }
}

}  // namespace sesame::kernels::SESAME_LEVEL
