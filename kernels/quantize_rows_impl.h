// quantize_rows_u8 of table.h, written once over lanes.h. rows_<level>.cc includes this once a level.
//
// Sixteen rows at a time, so that their largest values meet in one vector and their scales are divided together: a
// head's rows are short, and one at a time would wait for its own maximum and division.
#pragma once

#include "kernels/quantize_impl.h"

namespace sesame::kernels::SESAME_LEVEL {

// Asks for `rows` rows of n floats. They lie apart, a cache line or four each, so the hardware foresees none of them.
SESAME_INLINE void prefetch_rows(const float* x, std::ptrdiff_t ld, std::size_t rows, std::size_t n) {
  for (std::size_t l = 0; l < rows; ++l, x += ld) {
    for (std::size_t i = 0; i < n; i += kLanes) __builtin_prefetch(x + i);
  }
}

// Lane l: the largest of the 16 magnitudes, as their bits, in candidate[l].
SESAME_INLINE Lanes max_of_rows(const float (&candidate)[kLanes][kLanes]) {
  const float* row[kLanes];
  for (std::size_t l = 0; l < kLanes; ++l) row[l] = candidate[l];
  Ints highest = splat(0);
  for (std::size_t i = 0; i < kLanes; i += 4) {
    Lanes column[4];
    load_transposed(row, i, column);
    highest = max(highest, max(max(bits(column[0]), bits(column[1])), max(bits(column[2]), bits(column[3]))));
  }
  return from_bits(highest);
}

// As quantize_row has them: q = round(x * per_step). A row that counts as zero and one with NaN or infinity have
// per_step 0; the scale of the latter is NaN.
struct RowScales {
  alignas(64) float per_step[kLanes], scale[kLanes];

  SESAME_INLINE RowScales(const float* x, std::ptrdiff_t ld, std::size_t rows, std::size_t n) {
    alignas(64) float candidate[kLanes][kLanes];
    const Ints magnitude = splat(std::int32_t{0x7FFFFFFF});
    for (std::size_t l = 0; l < kLanes; ++l) {
      Ints highest[4] = {splat(0), splat(0), splat(0), splat(0)};
      for_lanes(n, [&](std::size_t i, auto slot, auto span) SESAME_INLINE_LAMBDA {
        highest[slot.value] = max(highest[slot.value], bits(load(x + i, span, 0.0f)) & magnitude);
      });
      store(candidate[l], from_bits(max(max(highest[0], highest[1]), max(highest[2], highest[3]))));
      if (l + 1 < rows) x += ld;  // past the last row that one again
    }
    const Lanes m = max_of_rows(candidate);
    const Mask tiny = less(m, splat(0x1p-100f)), finite = less(m, splat(__builtin_inff()));
    store(per_step, select(finite, select(tiny, zero(), splat(127.0f) / m), zero()));
    store(scale, select(finite, select(tiny, zero(), m / splat(127.0f)), splat(__builtin_nanf(""))));
  }
};

void quantize_rows_u8(const float* x, std::ptrdiff_t ldx, std::size_t rows, std::size_t n, std::uint8_t* q,
                      std::ptrdiff_t ldq, float* scale) {
  prefetch_rows(x, ldx, rows < kLanes ? rows : kLanes, n);
  for (std::size_t m = 0; m < rows; m += kLanes) {
    const std::size_t count = rows - m < kLanes ? rows - m : kLanes;
    const float* next = x + static_cast<std::ptrdiff_t>(count) * ldx;
    prefetch_rows(next, ldx, rows - m - count < kLanes ? rows - m - count : kLanes, n);
    const RowScales scales(x, ldx, count, n);
    store(scale + m, load(scales.scale), count);
    for (std::size_t l = 0; l < count; ++l, x += ldx, q += ldq) {
      const Lanes per_step = splat(scales.per_step[l]);
      quantize_lanes(PlainRow{x}, n, q,
                     [&](Lanes y) SESAME_INLINE_LAMBDA { return to_int(y * per_step) + splat(128); });
    }
  }
}

}  // namespace sesame::kernels::SESAME_LEVEL
