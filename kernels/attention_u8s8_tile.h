// The two integer products of attention_u8s8 in register tiles, over lanes.h: keys with a panel or two of queries, and
// queries with the panels of values.
//
// A tile is rows x panels of 16 columns: an accumulator for each pair, the bytes of each panel and one element of a.
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
inline constexpr int kQueryPanels = 2, kValuePanels = 4;
inline constexpr std::size_t kNarrowRows = 12, kWideRows = 6;
#elif defined(__AVX512F__)
inline constexpr int kQueryPanels = 2, kValuePanels = 4;
inline constexpr std::size_t kNarrowRows = 8, kWideRows = 4;
#elif defined(__AVXVNNI__)
inline constexpr int kQueryPanels = 1, kValuePanels = 1;
inline constexpr std::size_t kNarrowRows = 6, kWideRows = 6;
#elif defined(__AVX2__)
inline constexpr int kQueryPanels = 1, kValuePanels = 1;
inline constexpr std::size_t kNarrowRows = 4, kWideRows = 4;
#else
inline constexpr int kQueryPanels = 1, kValuePanels = 1;
inline constexpr std::size_t kNarrowRows = 2, kWideRows = 2;
#endif

// Rows of a tile of so many panels at most.
constexpr std::size_t tile_rows(std::size_t panels) { return panels <= 2 ? kNarrowRows : kWideRows; }

// The sums of a tile, acc[r][n] = init[n] + sum over i < 4 * steps of a[r][i] * b[n / 16][i / 4][n % 16][i % 4], with
// columns in panels of 16 and the four bytes of a[r] for step s at a + r * row + s * step.
struct ByteProduct {
  const std::uint8_t* a;
  std::ptrdiff_t row, step;
  const std::int8_t* b;
  std::size_t panel_bytes, steps;
  const std::int32_t* init;  // or null for 0
};

// Walks down the columns of `rows` rows, four bytes a step, with a pointer to every third one: a pointer a row is more
// than the CPU has registers for.
template <int rows>
class ByteWalk {
 public:
  SESAME_INLINE ByteWalk(const std::uint8_t* a, std::ptrdiff_t row, std::ptrdiff_t step) : row_(row), step_(step) {
#pragma GCC unroll 32
    for (int third = 0; third < kThirds; ++third) base_[third] = a + 3 * third * row;
  }
  SESAME_INLINE Ints element(int r) const {
    std::int32_t four;
    __builtin_memcpy(&four, base_[r / 3] + r % 3 * row_, 4);
    return splat(four);
  }
  SESAME_INLINE void advance() {
#pragma GCC unroll 32
    for (int third = 0; third < kThirds; ++third) {
      base_[third] += step_;
      asm("" : "+r"(base_[third]));  // or the compiler makes it a pointer a row after all
    }
  }

 private:
  static constexpr int kThirds = (rows + 2) / 3;
  std::ptrdiff_t row_, step_;
  const std::uint8_t* base_[kThirds];
};

// What becomes of the sums of a tile: finish(acc) gets them, and advance(rows) and next_panels(panels) tell it where
// the tile after it lies.

// Scores: fma(float(acc) * factor[key], query_scale[query], shift[key]), rows are keys. Keeps the highest of each
// query.
struct ScoreTile {
  const float *factor, *shift;
  const float* query_scale;  // [panel][16]
  float* scores;             // [panel][keys][16]
  std::size_t panel_stride;
  float* highest;  // [panel][16]

  template <int rows, int panels>
  SESAME_INLINE void finish(const Ints (&acc)[rows][panels]) const {
    Lanes most[panels], query[panels];
#pragma GCC unroll 4
    for (int p = 0; p < panels; ++p) most[p] = load(highest + p * kPanel);
#pragma GCC unroll 4
    for (int p = 0; p < panels; ++p) query[p] = load(query_scale + p * kPanel);
#pragma GCC unroll 32
    for (int r = 0; r < rows; ++r) {
      const Lanes key = splat(factor[r]), key_shift = splat(shift[r]);
#pragma GCC unroll 4
      for (int p = 0; p < panels; ++p) {
        const Lanes score = fma(to_float(acc[r][p]) * key, query[p], key_shift);
        most[p] = max(score, most[p]);
        store(scores + p * panel_stride + r * kPanel, score);
      }
    }
#pragma GCC unroll 4
    for (int p = 0; p < panels; ++p) store(highest + p * kPanel, most[p]);
  }
  SESAME_INLINE void advance(std::size_t rows) {
    factor += rows;
    shift += rows;
    scores += rows * kPanel;
  }
  SESAME_INLINE void next_panels(std::size_t panels) {
    scores += panels * panel_stride;
    query_scale += panels * kPanel;
    highest += panels * kPanel;
  }
};

// Context: float(acc) * factor[query], rows are queries, in the first `columns` columns.
struct ContextTile {
  const float* factor;
  float* out;
  std::ptrdiff_t ld;
  std::size_t columns;

  template <int rows, int panels>
  SESAME_INLINE void finish(const Ints (&acc)[rows][panels]) const {
    float* row = out;
#pragma GCC unroll 32
    for (int r = 0; r < rows; ++r, row += ld) {
      const Lanes query = splat(factor[r]);
#pragma GCC unroll 4
      for (int p = 0; p < panels; ++p) {
        const Lanes context = to_float(acc[r][p]) * query;
        if ((p + 1) * kPanel <= columns) {
          store(row + p * kPanel, context);
        } else {
          store(row + p * kPanel, context, columns - p * kPanel);
        }
      }
    }
  }
  SESAME_INLINE void advance(std::size_t rows) {
    factor += rows;
    out += static_cast<std::ptrdiff_t>(rows) * ld;
  }
  SESAME_INLINE void next_panels(std::size_t panels) {
    out += panels * kPanel;
    columns -= panels * kPanel < columns ? panels * kPanel : columns;
  }
};

template <int rows, int panels, class Finish>
__attribute__((noinline)) void byte_tile(const ByteProduct& t, const Finish& finish) {
  Ints acc[rows][panels];
#pragma GCC unroll 4
  for (int p = 0; p < panels; ++p) {
    const Ints init = t.init ? load_ints(t.init + p * kPanel) : splat(0);
#pragma GCC unroll 32
    for (int r = 0; r < rows; ++r) acc[r][p] = init;
  }
  ByteWalk<rows> a(t.a, t.row, t.step);
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
  finish.finish(acc);
}

// The tile of `rows` rows: one instance for each number, so that no row is padded.
template <int panels, int most, class Finish>
SESAME_INLINE void byte_tile_of(std::size_t rows, const ByteProduct& t, const Finish& finish) {
  if constexpr (most > 1) {
    if (rows < most) return byte_tile_of<panels, most - 1>(rows, t, finish);
  }
  byte_tile<most, panels>(t, finish);
}

// All rows of `panels` panels, split evenly.
template <int panels, class Finish>
SESAME_INLINE void multiply_panels(std::size_t rows, ByteProduct t, Finish finish) {
  constexpr std::size_t most = tile_rows(panels);
  for (std::size_t tiles = (rows + most - 1) / most; tiles > 0; --tiles) {
    const std::size_t count = (rows + tiles - 1) / tiles;
    byte_tile_of<panels, static_cast<int>(most)>(count, t, finish);
    t.a += static_cast<std::ptrdiff_t>(count) * t.row;
    finish.advance(count);
    rows -= count;
  }
}

template <int most, class Finish>
SESAME_INLINE void multiply_panels_of(std::size_t panels, std::size_t rows, const ByteProduct& t,
                                      const Finish& finish) {
  if constexpr (most > 1) {
    if (panels < most) return multiply_panels_of<most - 1>(panels, rows, t, finish);
  }
  multiply_panels<most>(rows, t, finish);
}

// The product of `panels` panels, split evenly, at most `most` at a time.
template <int most, class Finish>
SESAME_INLINE void multiply_bytes(std::size_t rows, std::size_t panels, ByteProduct t, Finish finish) {
  for (std::size_t tiles = (panels + most - 1) / most; tiles > 0; --tiles) {
    const std::size_t count = (panels + tiles - 1) / tiles;
    multiply_panels_of<most>(count, rows, t, finish);
    t.b += count * t.panel_bytes;
    if (t.init) t.init += count * kPanel;
    finish.next_panels(count);
    panels -= count;
  }
}

}  // namespace sesame::kernels::SESAME_LEVEL
