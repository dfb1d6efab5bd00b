// quantize_rows_u8 of table.h, written once over lanes.h. rows_<level>.cc includes this once a level.
//
// Sixteen rows at a time, so that their largest values meet in one vector and their scales are divided together: a
// head's rows are short, and one at a time would wait for its own maximum and division.
#pragma once

#include "kernels/lanes.h"

namespace sesame::kernels::SESAME_LEVEL {

// As quantize_row has them: q = round(x * per_step). A row that counts as zero and one with NaN or infinity have
// per_step 0; the scale of the latter is NaN.
struct RowScales {
  alignas(64) float per_step[kLanes], scale[kLanes];

  SESAME_INLINE RowScales(const float* x, std::ptrdiff_t ld, std::size_t rows, std::size_t n) {
    const Ints magnitude = splat(std::int32_t{0x7FFFFFFF});
    Ints candidates[kLanes];
#pragma GCC unroll 16
    for (std::size_t l = 0; l < kLanes; ++l) {
      Ints highest = splat(0);
      std::size_t i = 0;
      for (; i + kLanes <= n; i += kLanes) highest = max(highest, bits(load(x + i)) & magnitude);
      if (i < n) highest = max(highest, bits(load(x + i, n - i, 0.0f)) & magnitude);
      candidates[l] = highest;
      if (l + 1 < rows) x += ld;  // past the last row that one again
    }
    const Lanes m = from_bits(max_of_each(candidates));
    const Mask tiny = less(m, splat(0x1p-100f)), finite = less(m, splat(__builtin_inff()));
    store(per_step, select(finite, select(tiny, zero(), splat(127.0f) / m), zero()));
    store(scale, select(finite, select(tiny, zero(), m / splat(127.0f)), splat(__builtin_nanf(""))));
  }
};

// Up to 16 rows. Four whole vectors are stored as one, of two rows if need be; n is known when compiling for the
// heads of most models.
SESAME_INLINE void quantize_scaled(const float* x, std::ptrdiff_t ldx, std::size_t rows, std::size_t n,
                                   const float* per_step, std::uint8_t* q, std::ptrdiff_t ldq) {
  const auto at = [](const float* p, float factor) SESAME_INLINE_LAMBDA { return to_int(load(p) * splat(factor)); };
  std::size_t l = 0;
  if (n == 2 * kLanes && ldq == 2 * kLanes) {
    for (; l + 2 <= rows; l += 2, x += 2 * ldx, q += 2 * ldq) {
      const float* y = x + ldx;
      store_plus_128(q, at(x, per_step[l]), at(x + kLanes, per_step[l]), at(y, per_step[l + 1]),
                     at(y + kLanes, per_step[l + 1]));
    }
  }
  for (; l < rows; ++l, x += ldx, q += ldq) {
    const float factor = per_step[l];
    std::size_t i = 0;
    for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
      const float* y = x + i;
      store_plus_128(q + i, at(y, factor), at(y + kLanes, factor), at(y + 2 * kLanes, factor),
                     at(y + 3 * kLanes, factor));
    }
    for (; i + kLanes <= n; i += kLanes) store_u8(q + i, at(x + i, factor) + splat(128));
    if (i == n) continue;
    const Ints last = to_int(load(x + i, n - i, 0.0f) * splat(factor)) + splat(128);
    store_u8(q + i, last, (n - i + 3) / 4 * 4);
  }
}

SESAME_INLINE void quantize_rows(const float* x, std::ptrdiff_t ldx, std::size_t rows, std::size_t n, std::uint8_t* q,
                                 std::ptrdiff_t ldq, float* scale) {
  for (std::size_t m = 0; m < rows; m += kLanes) {
    const std::size_t count = rows - m < kLanes ? rows - m : kLanes;
    const RowScales scales(x, ldx, count, n);
    store(scale + m, load(scales.scale), count);
    quantize_scaled(x, ldx, count, n, scales.per_step, q, ldq);
    x += static_cast<std::ptrdiff_t>(count) * ldx;
    q += static_cast<std::ptrdiff_t>(count) * ldq;
  }
}

void quantize_rows_u8(const float* x, std::ptrdiff_t ldx, std::size_t rows, std::size_t n, std::uint8_t* q,
                      std::ptrdiff_t ldq, float* scale) {
  if (n == 64) return quantize_rows(x, ldx, rows, 64, q, ldq, scale);
  if (n == 32) return quantize_rows(x, ldx, rows, 32, q, ldq, scale);
  quantize_rows(x, ldx, rows, n, q, ldq, scale);
}

}  // namespace sesame::kernels::SESAME_LEVEL
