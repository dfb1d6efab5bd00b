// Quantizing and packing of queries, keys and values for attention_u8s8 (attention_u8s8_layout.h), over lanes.h. Always
// 16 tokens at a time, so that their largest values meet in one vector and their scales are divided together.
#pragma once

#include "kernels/attention_u8s8_layout.h"
#include "kernels/bytes_lanes.h"

namespace sesame::kernels::SESAME_LEVEL {

// Sixteen rows of a matrix from `begin` on; past its last row, that row again.
struct RowPointers {
  SESAME_INLINE RowPointers(const float* x, std::ptrdiff_t ld, std::size_t begin, std::size_t rows) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      row[l] = x + static_cast<std::ptrdiff_t>(begin + l < rows ? begin + l : rows - 1) * ld;
    }
  }
  const float* row[kLanes];
};

// Asks for `rows` rows of n floats. A head's rows lie apart, a cache line or four each, so the hardware foresees none
// of them; from L3 or memory they would cost more than all that is done with them.
SESAME_INLINE void prefetch_rows(const float* x, std::ptrdiff_t ld, std::size_t rows, std::size_t n) {
  for (std::size_t l = 0; l < rows; ++l, x += ld) {
    for (std::size_t i = 0; i < n; i += kLanes) __builtin_prefetch(x + i);
  }
}

// Before the 16 rows from `begin` on are read: asks for the 16 that follow.
SESAME_INLINE void prefetch_next_rows(const float* x, std::ptrdiff_t ld, std::size_t begin, std::size_t rows,
                                      std::size_t n) {
  begin += kLanes;
  if (begin >= rows) return;
  prefetch_rows(x + static_cast<std::ptrdiff_t>(begin) * ld, ld, rows - begin < kLanes ? rows - begin : kLanes, n);
}

// Column i of 16 rows whose lanes are the 16 magnitudes that may be each row's largest: their maximum, a row a lane.
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

// As quantize_row_u8 of table.h has them: q = round(x * per_step). A row that counts as zero and one with NaN or
// infinity have per_step 0; the scale of the latter, NaN, then decides.
struct TokenScales {
  alignas(64) float per_step[kLanes], scale[kLanes];

  SESAME_INLINE TokenScales(const RowPointers& rows, std::size_t n) {
    alignas(64) float candidate[kLanes][kLanes];
    const Ints magnitude = splat(std::int32_t{0x7FFFFFFF});
    for (std::size_t l = 0; l < kLanes; ++l) {
      Ints highest[4] = {splat(0), splat(0), splat(0), splat(0)};
      for_lanes(n, [&](std::size_t i, auto slot, auto span) SESAME_INLINE_LAMBDA {
        highest[slot.value] = max(highest[slot.value], bits(load(rows.row[l] + i, span, 0.0f)) & magnitude);
      });
      store_ints(candidate[l], max(max(highest[0], highest[1]), max(highest[2], highest[3])));
    }
    const Lanes m = max_of_rows(candidate);
    const Mask tiny = less(m, splat(0x1p-100f)), finite = less(m, splat(__builtin_inff()));
    store(per_step, select(finite, select(tiny, zero(), splat(127.0f) / m), zero()));
    store(scale, select(finite, select(tiny, zero(), m / splat(127.0f)), splat(__builtin_nanf(""))));
  }
};

// One row as q + 128, up to `depth` bytes.
SESAME_INLINE void quantize_row(const float* x, std::size_t n, float per_step, std::uint8_t* q) {
  const Lanes factor = splat(per_step);
  const auto at = [&](std::size_t i) SESAME_INLINE_LAMBDA { return to_int(load(x + i) * factor) + splat(128); };
  std::size_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    store_u8(q + i, at(i), at(i + kLanes), at(i + 2 * kLanes), at(i + 3 * kLanes));
  }
  for (; i + kLanes <= n; i += kLanes) store_u8(q + i, at(i));
  if (i < n) store_u8(q + i, to_int(load(x + i, n - i, 0.0f) * factor) + splat(128));
}

inline void pack_queries(const float* x, std::ptrdiff_t ld, std::size_t rows, std::size_t n, std::size_t depth,
                         std::uint8_t* packed, float* scale) {
  for (std::size_t m = 0; m < rows; m += kLanes) {
    prefetch_next_rows(x, ld, m, rows, n);
    const RowPointers from(x, ld, m, rows);
    const TokenScales scales(from, n);
    store(scale + m, load(scales.scale));
    for (std::size_t l = 0; l < kLanes && m + l < rows; ++l) {
      quantize_row(from.row[l], n, scales.per_step[l], packed + (m + l) * depth);
    }
  }
}

// Turns 16 rows of q + 128 into a panel of q, and sums -128 q for each row.
SESAME_INLINE void transpose_panel(const std::uint8_t* rows, std::size_t depth, std::int8_t* panel,
                                   std::int32_t* init) {
  const float* row[kLanes];  // of four bytes an element
  for (std::size_t l = 0; l < kLanes; ++l) row[l] = reinterpret_cast<const float*>(rows + l * depth);
  // -128 (q + 128) a byte, and 128 * 128 for each of them ahead.
  Ints sum = splat(static_cast<std::int32_t>(128 * 128 * depth));
  const Ints minus_128 = splat(static_cast<std::int32_t>(0x80808080));
  for (std::size_t i = 0; i < depth / 4; i += 4) {
    Lanes column[4];
    load_transposed(row, i, column);
    for (std::size_t j = 0; j < 4; ++j) {
      sum = dot4(sum, bits(column[j]), minus_128);
      store_ints(panel + (i + j) * kPanel * 4, flip_signs(bits(column[j])));
    }
  }
  store_ints(init, sum);
}

// `staging` has room for 16 rows of `depth` bytes.
inline void pack_keys(const float* x, std::ptrdiff_t ld, std::size_t rows, std::size_t n, std::size_t depth,
                      std::uint8_t* staging, std::int8_t* packed, float* scale, std::int32_t* init) {
  for (std::size_t j = 0; j < rows; j += kLanes) {
    prefetch_next_rows(x, ld, j, rows, n);
    const RowPointers from(x, ld, j, rows);
    const TokenScales scales(from, n);
    store(scale + j, load(scales.scale));
    for (std::size_t l = 0; l < kLanes; ++l) {
      quantize_row(from.row[l], n, scales.per_step[l], staging + l * depth);
    }
    transpose_panel(staging, depth, packed + j * depth, init + j);
  }
}

// Four keys of V, 16 columns at a time: a lane of the packed vector is a column.
SESAME_INLINE void pack_four_values(const float* const* row, const float* per_step, std::size_t n,
                                    std::size_t panel_bytes, std::int8_t* packed) {
  const Lanes factor[4] = {splat(per_step[0]), splat(per_step[1]), splat(per_step[2]), splat(per_step[3])};
  for_lanes(n, [&](std::size_t d, auto, auto span) SESAME_INLINE_LAMBDA {
    const auto at = [&](int i) SESAME_INLINE_LAMBDA { return to_int(load(row[i] + d, span, 0.0f) * factor[i]); };
    store_ints(packed + d / kPanel * panel_bytes, interleave4(at(0), at(1), at(2), at(3)));
  });
}

inline void pack_values(const float* x, std::ptrdiff_t ld, std::size_t rows, std::size_t n, std::size_t steps,
                        std::int8_t* packed, float* scale) {
  const std::size_t panel_bytes = steps * kPanel * 4;
  for (std::size_t j = 0; j < rows; j += kLanes) {
    prefetch_next_rows(x, ld, j, rows, n);
    const RowPointers from(x, ld, j, rows);
    const TokenScales scales(from, n);
    store(scale + j, load(scales.scale));
    for (std::size_t l = 0; l < kLanes && j + l < rows; l += 4) {
      pack_four_values(from.row + l, scales.per_step + l, n, panel_bytes, packed + (j + l) * kPanel);
    }
  }
}

}  // namespace sesame::kernels::SESAME_LEVEL
