// attention_u8s8 of table.h, written once over lanes.h. attention_u8s8_<level>.cc includes this once a level.
//
// Queries, keys and values are quantized and packed once a call. Then a block of queries at a time: the integer
// products with the keys; each row's scores, exponentials and their quantization; the products with the values. Scores
// and probabilities of a block stay in L1.
#pragma once

#include "kernels/attention_u8s8_pack.h"
#include "kernels/attention_u8s8_tile.h"
#include "kernels/math_lanes.h"
#include "kernels/table.h"

namespace sesame::kernels::SESAME_LEVEL {

// The parts of attention_u8s8_layout.h.
struct ByteAttention {
  SESAME_INLINE ByteAttention(const AttentionInt8& a, const AttentionU8S8Layout& l)
      : queries(at<std::uint8_t>(a, l.queries)),
        keys(at<std::int8_t>(a, l.keys)),
        values(at<std::int8_t>(a, l.values)),
        query_scale(at<float>(a, l.query_scale)),
        key_scale(at<float>(a, l.key_scale)),
        value_scale(at<float>(a, l.value_scale)),
        key_init(at<std::int32_t>(a, l.key_init)),
        sums(at<float>(a, l.sums)),
        p(at<std::uint8_t>(a, l.p)) {}

  std::uint8_t* queries;
  std::int8_t *keys, *values;
  float *query_scale, *key_scale, *value_scale;
  std::int32_t* key_init;
  float* sums;
  std::uint8_t* p;

 private:
  template <class T>
  static SESAME_INLINE T* at(const AttentionInt8& a, std::size_t offset) {
    return reinterpret_cast<T*>(a.scratch + offset);
  }
};

// From integer products to scores, in place. Returns the highest.
template <bool has_bias>
SESAME_INLINE float score_row(float* row, std::size_t keys, float factor, const float* key_scale, const float* bias) {
  const float lowest = -__builtin_inff();
  Lanes highest[4] = {splat(lowest), splat(lowest), splat(lowest), splat(lowest)};
  for_lanes(keys, [&](std::size_t i, auto slot, auto span) SESAME_INLINE_LAMBDA {
    const Lanes scale = splat(factor) * load(key_scale + i), product = to_float(load_ints(row + i));
    Lanes y = product * scale;
    if constexpr (has_bias) y = fma(product, scale, load(bias + i, span, 0.0f));
    store(row + i, y);
    highest[slot.value] = max(highest[slot.value], first(y, span, lowest));
  });
  return reduce_max(max(max(highest[0], highest[1]), max(highest[2], highest[3])));
}

struct Weighted {
  float sum;              // of the exponentials
  std::int32_t max_bits;  // of p'; at least infinity's where one is NaN
};

// From scores to p' = exp(score - highest) * value_scale, in place, 0 in the lanes past the last key.
SESAME_INLINE Weighted weigh_row(float* row, std::size_t keys, float highest_score, const float* value_scale) {
  const Ints magnitude = splat(std::int32_t{0x7FFFFFFF});
  const Lanes highest = splat(highest_score);
  RowSum sum;
  Ints most[4] = {splat(0), splat(0), splat(0), splat(0)};
  for_lanes(keys, [&](std::size_t i, auto slot, auto span) SESAME_INLINE_LAMBDA {
    const Lanes e = exp_nonpositive(load(row + i) - highest);
    const Lanes weighted = first(e * load(value_scale + i), span, 0.0f);
    sum.partial[slot.value] = sum.partial[slot.value] + first(e, span, 0.0f);
    most[slot.value] = max(most[slot.value], bits(weighted) & magnitude);
    store(row + i, weighted);
  });
  return {sum.total(), reduce_max(max(max(most[0], most[1]), max(most[2], most[3])))};
}

SESAME_INLINE void quantize_weights(const float* row, std::size_t keys, float per_step, std::uint8_t* p) {
  const Lanes factor = splat(per_step);
  const auto at = [&](std::size_t i) SESAME_INLINE_LAMBDA { return to_int(load(row + i) * factor); };
  std::size_t i = 0;
  for (; i + 4 * kLanes <= keys; i += 4 * kLanes) {
    store_u8(p + i, at(i), at(i + kLanes), at(i + 2 * kLanes), at(i + 3 * kLanes));
  }
  for (; i < keys; i += kLanes) store_u8(p + i, at(i));
}

// Queries of a block, from integer products to p. One pass over all rows after the other: within a row each waits for
// the last one's maximum or sum, and other rows fill the time. factor[r] is each row's query factor first, then what
// the products with the values are to be multiplied by.
template <bool has_bias>
__attribute__((noinline)) void weigh_block(const ByteAttention& b, const AttentionU8S8Layout& l, std::size_t rows,
                                           std::size_t keys, const float* bias, std::ptrdiff_t ld_bias, float* factor) {
  constexpr std::int32_t kInfinity = 0x7F800000, kTwoToMinus100 = 27 << 23;
  float highest[AttentionU8S8Layout::kRows], per_step[AttentionU8S8Layout::kRows];
  for (std::size_t r = 0; r < rows; ++r) {
    highest[r] = score_row<has_bias>(b.sums + r * l.stride, keys, factor[r], b.key_scale,
                                     has_bias ? bias + static_cast<std::ptrdiff_t>(r) * ld_bias : nullptr);
  }
  for (std::size_t r = 0; r < rows; ++r) {
    const Weighted weighted = weigh_row(b.sums + r * l.stride, keys, highest[r], b.value_scale);
    const bool zero = weighted.max_bits < kTwoToMinus100, finite = weighted.max_bits < kInfinity;
    const float m = __builtin_bit_cast(float, weighted.max_bits);
    per_step[r] = zero || !finite ? 0.0f : 255.0f / m;
    factor[r] = (zero ? 0.0f : m / 255.0f) / weighted.sum;
  }
  for (std::size_t r = 0; r < rows; ++r) {
    quantize_weights(b.sums + r * l.stride, keys, per_step[r], b.p + r * l.p_stride);
  }
}

SESAME_INLINE void context_row(const float* sums, std::size_t head_dim, float factor, float* out) {
  for_lanes(head_dim, [&](std::size_t i, auto, auto span) SESAME_INLINE_LAMBDA {
    store(out + i, to_float(load_ints(sums + i)) * splat(factor), span);
  });
}

// Queries [begin, begin + rows), rows <= kRows.
inline void attend_block(const AttentionInt8& a, const AttentionU8S8Layout& l, const ByteAttention& b,
                         std::size_t begin, std::size_t rows) {
  const auto stride = static_cast<std::ptrdiff_t>(l.stride);
  float* out = a.out + static_cast<std::ptrdiff_t>(begin) * a.ldo;
  prefetch_rows(out, a.ldo, rows, a.head_dim);  // a store to a line that isn't in cache waits for it
  multiply_bytes(rows, (a.keys + kPanel - 1) / kPanel,
                 {.a = b.queries + begin * l.depth,
                  .lda = static_cast<std::ptrdiff_t>(l.depth),
                  .b = b.keys,
                  .panel_bytes = l.depth * kPanel,
                  .steps = (a.head_dim + 3) / 4,
                  .init = b.key_init,
                  .c = b.sums,
                  .ldc = stride});
  float factor[AttentionU8S8Layout::kRows];
  for (std::size_t r = 0; r < rows; ++r) factor[r] = b.query_scale[begin + r] * a.scale;
  if (a.bias) {
    weigh_block<true>(b, l, rows, a.keys, a.bias + static_cast<std::ptrdiff_t>(begin) * a.ld_bias, a.ld_bias, factor);
  } else {
    weigh_block<false>(b, l, rows, a.keys, nullptr, 0, factor);
  }
  multiply_bytes(rows, l.depth / kPanel,
                 {.a = b.p,
                  .lda = static_cast<std::ptrdiff_t>(l.p_stride),
                  .b = b.values,
                  .panel_bytes = l.key_steps * kPanel * 4,
                  .steps = l.key_steps,
                  .init = nullptr,
                  .c = b.sums,
                  .ldc = stride});
  for (std::size_t r = 0; r < rows; ++r) {
    context_row(b.sums + r * l.stride, a.head_dim, factor[r], out + static_cast<std::ptrdiff_t>(r) * a.ldo);
  }
}

void attention_u8s8(const AttentionInt8& a) {
  const AttentionU8S8Layout l(a.queries, a.keys, a.head_dim);
  const ByteAttention b(a, l);
  const auto first_rows = [&](const float* x, std::ptrdiff_t ld, std::size_t rows)
                              SESAME_INLINE_LAMBDA { prefetch_rows(x, ld, rows < kLanes ? rows : kLanes, a.head_dim); };
  first_rows(a.q, a.ldq, a.queries);
  first_rows(a.k, a.ldk, a.keys);
  pack_queries(a.q, a.ldq, a.queries, a.head_dim, l.depth, b.queries, b.query_scale);
  first_rows(a.v, a.ldv, a.keys);
  pack_keys(a.k, a.ldk, a.keys, a.head_dim, l.depth, reinterpret_cast<std::uint8_t*>(b.sums), b.keys, b.key_scale,
            b.key_init);
  pack_values(a.v, a.ldv, a.keys, a.head_dim, l.key_steps, b.values, b.value_scale);
  const std::size_t blocks = (a.queries + AttentionU8S8Layout::kRows - 1) / AttentionU8S8Layout::kRows;
  std::size_t begin = 0;
  for (std::size_t block = 0; block < blocks; ++block) {
    const std::size_t rows = (a.queries - begin + blocks - block - 1) / (blocks - block);  // split evenly
    attend_block(a, l, b, begin, rows);
    begin += rows;
  }
}

}  // namespace sesame::kernels::SESAME_LEVEL
