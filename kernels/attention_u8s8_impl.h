// attention_u8s8 of table.h, written once over lanes.h. attention_u8s8_<level>.cc includes this once a level.
//
// A lane is a query: maxima, sums and scales of a query's row never leave its lane. A panel or two of queries at a
// time: the integer products with all keys, whose bytes are read where they are; scores, exponentials and their
// quantization, down the keys; the products with the values. Scores of a block stay in L1.
#pragma once

#include "kernels/attention_u8s8_pack.h"
#include "kernels/attention_u8s8_tile.h"
#include "kernels/math_lanes.h"
#include "kernels/table.h"

namespace sesame::kernels::SESAME_LEVEL {

// The parts of attention_u8s8_layout.h.
struct ByteAttention {
  SESAME_INLINE ByteAttention(std::byte* scratch, const AttentionU8S8Layout& l)
      : values(reinterpret_cast<std::int8_t*>(scratch + l.values)),
        key_factor(reinterpret_cast<float*>(scratch + l.key_factor)),
        queries(reinterpret_cast<std::int8_t*>(scratch + l.queries)),
        query_init(reinterpret_cast<std::int32_t*>(scratch + l.query_init)),
        staging(reinterpret_cast<std::uint8_t*>(scratch + l.staging)),
        scores(reinterpret_cast<float*>(scratch + l.scores)) {}

  std::int8_t* values;
  float* key_factor;
  std::int8_t* queries;
  std::int32_t* query_init;
  std::uint8_t* staging;
  float* scores;
};

// A panel of queries: a lane each. A score relative to the highest one is (scores[key] - highest) * slope.
struct QueryPanel {
  float* scores;  // [keys][16]
  Lanes slope, highest;
};

// Columns [j, j + 4) of 16 rows, those from `columns` on 0.
SESAME_INLINE void load_bias(const float* const* row, std::size_t j, std::size_t columns, Lanes (&column)[4]) {
  if (j + 4 <= columns) return load_transposed(row, j, column);
  alignas(64) float buffer[4][kLanes] = {};
  for (std::size_t i = 0; j + i < columns; ++i) {
    for (std::size_t l = 0; l < kLanes; ++l) buffer[i][l] = row[l][j + i];
  }
  for (std::size_t i = 0; i < 4; ++i) column[i] = load(buffer[i]);
}

// Adds the bias of `count` queries, whose first row is `bias`; then scores are complete.
inline void add_bias(const AttentionU8S8& a, const float* bias, std::size_t count, QueryPanel& panel) {
  const float* row[kLanes];
  for (std::size_t l = 0; l < kLanes; ++l)
    row[l] = l < count ? bias + static_cast<std::ptrdiff_t>(l) * a.ld_bias : row[l - 1];
  Lanes highest = splat(-__builtin_inff());
  for (std::size_t j = 0; j < a.keys; j += 4) {
    Lanes column[4];
    load_bias(row, j, a.keys, column);
    for (std::size_t i = 0; i < 4 && j + i < a.keys; ++i) {
      float* score = panel.scores + (j + i) * kLanes;
      const Lanes y = fma(load(score), panel.slope, column[i] * splat(kLog2E));
      highest = max(y, highest);
      store(score, y);
    }
  }
  panel.slope = splat(1.0f);
  panel.highest = highest;
}

struct Weighted {
  Lanes sum;   // of the exponentials
  Lanes most;  // of the weights
};

// From scores to weights 2^(score - highest) * value_scale, in place.
SESAME_INLINE Weighted weigh(const QueryPanel& panel, std::size_t keys, const float* value_scale) {
  Lanes sum[4] = {zero(), zero(), zero(), zero()}, most[4] = {zero(), zero(), zero(), zero()};
  const Lanes offset = zero() - panel.highest * panel.slope;
  const auto weigh_key = [&](std::size_t j, auto slot) SESAME_INLINE_LAMBDA {
    float* score = panel.scores + j * kLanes;
    const Lanes e = exp2_coarse(fma(load(score), panel.slope, offset));
    const Lanes weight = e * splat(value_scale[j]);
    sum[slot.value] = sum[slot.value] + e;
    most[slot.value] = max(weight, most[slot.value]);
    store(score, weight);
  };
  std::size_t j = 0;
  for (; j + 4 <= keys; j += 4) {
    weigh_key(j, Slot<0>{});
    weigh_key(j + 1, Slot<1>{});
    weigh_key(j + 2, Slot<2>{});
    weigh_key(j + 3, Slot<3>{});
  }
  if (j < keys) weigh_key(j, Slot<0>{});
  if (j + 1 < keys) weigh_key(j + 1, Slot<1>{});
  if (j + 2 < keys) weigh_key(j + 2, Slot<2>{});
  return {(sum[0] + sum[1]) + (sum[2] + sum[3]), max(max(most[0], most[1]), max(most[2], most[3]))};
}

// From weights to bytes [keys/4][16][4], in place: a vector of bytes lies where weights have been read before.
SESAME_INLINE void quantize_weights(const float* weights, std::size_t keys, Lanes per_step, std::uint8_t* p) {
  // 2^23 leaves no room for a fraction, and the integer in the lowest bits.
  const auto at = [&](std::size_t j)
                      SESAME_INLINE_LAMBDA { return bits(fma(load(weights + j * kLanes), per_step, splat(0x1p23f))); };
  std::size_t j = 0;
  for (; j + 4 <= keys; j += 4) store_ints(p + j * kLanes, interleave4(at(j), at(j + 1), at(j + 2), at(j + 3)));
  if (j == keys) return;
  const Ints none = splat(0);
  store_ints(p + j * kLanes,
             interleave4(at(j), j + 1 < keys ? at(j + 1) : none, j + 2 < keys ? at(j + 2) : none, none));
}

// From integer products times key factors to bytes. `missing` is NaN where a value's scale is, else 0. Writes what the
// products with the values are to be multiplied by.
__attribute__((noinline)) inline void weigh_panel(const QueryPanel& panel, std::size_t keys, const float* value_scale,
                                                  float missing, float* factor) {
  const Weighted weighted = weigh(panel, keys, value_scale);
  const Mask tiny = less(weighted.most, splat(0x1p-100f));
  const Lanes step = weighted.most / splat(255.0f);
  store(factor, select(tiny, zero(), step) / weighted.sum + splat(missing));
  const Lanes per_step = select(tiny, zero(), splat(255.0f) / weighted.most);
  quantize_weights(panel.scores, keys, per_step, reinterpret_cast<std::uint8_t*>(panel.scores));
}

// One call's constants.
struct ByteHead {
  const AttentionU8S8& a;
  const AttentionU8S8Layout& l;
  const ByteAttention& b;
  float missing;  // NaN where a value's scale is, else 0
};

// Queries [begin, begin + count) of a block's panel: from products to context.
inline void attend_panel(const ByteHead& h, std::size_t begin, std::size_t count, float* scores, const float* highest) {
  const AttentionU8S8& a = h.a;
  QueryPanel panel = {scores, load(a.q.scale + begin, count, 0.0f), load(highest)};
  if (a.bias) {
    add_bias(a, a.bias + static_cast<std::ptrdiff_t>(begin) * a.ld_bias, count, panel);
  } else {
    panel.slope = min(splat(0x1p20f) / abs(panel.highest), panel.slope);
  }
  alignas(64) float factor[kLanes];
  weigh_panel(panel, a.keys, a.v.scale, h.missing, factor);
  multiply_bytes<kValuePanels>(
      count, h.l.depth / kPanel,
      {.a = reinterpret_cast<const std::uint8_t*>(scores),
       .row = 4,
       .step = kPanel * 4,
       .b = h.b.values,
       .panel_bytes = h.l.key_steps * kPanel * 4,
       .steps = h.l.key_steps,
       .init = nullptr},
      ContextTile{factor, a.out + static_cast<std::ptrdiff_t>(begin) * a.ldo, a.ldo, a.head_dim});
}

// Queries [begin, begin + count), in `panels` panels.
inline void attend_block(const ByteHead& h, std::size_t begin, std::size_t count, std::size_t panels) {
  const AttentionU8S8& a = h.a;
  const std::size_t bytes = round_up(a.head_dim, 4), panel_bytes = kPanel * h.l.depth;
  for (std::size_t p = 0; p < panels; ++p) {
    const std::size_t first = begin + p * kPanel, rows = count - p * kPanel < kPanel ? count - p * kPanel : kPanel;
    const ByteRows queries(a.q.bytes + static_cast<std::ptrdiff_t>(first) * a.q.ld, a.q.ld, rows, bytes, h.l.depth,
                           h.b.staging);
    pack_panel(queries, h.l.depth, h.b.queries + p * panel_bytes, h.b.query_init + p * kPanel);
  }
  alignas(64) float highest[AttentionU8S8Layout::kQueryPanels * kPanel];
  for (float& x : highest) x = -__builtin_inff();
  const std::size_t stride = h.l.key_steps * 4 * kPanel;
  multiply_bytes<kQueryPanels>(a.keys, panels,
                               {.a = a.k.bytes,
                                .row = a.k.ld,
                                .step = 4,
                                .b = h.b.queries,
                                .panel_bytes = panel_bytes,
                                .steps = bytes / 4,
                                .init = h.b.query_init},
                               ScoreTile{h.b.key_factor, h.b.scores, stride, highest});
  for (std::size_t p = 0; p < panels; ++p) {
    const std::size_t rows = count - p * kPanel < kPanel ? count - p * kPanel : kPanel;
    attend_panel(h, begin + p * kPanel, rows, h.b.scores + p * stride, highest + p * kPanel);
  }
}

// factor[j] = scale[j] * times.
SESAME_INLINE void multiply_scales(const float* scale, std::size_t n, float times, float* factor) {
  for_lanes(n, [&](std::size_t i, auto, auto span)
                   SESAME_INLINE_LAMBDA { store(factor + i, load(scale + i, span, 0.0f) * splat(times), span); });
}

// NaN if a scale is, else 0.
SESAME_INLINE float missing_scale(const float* scale, std::size_t n) {
  RowSum sum;
  for_lanes(n, [&](std::size_t i, auto slot, auto span) SESAME_INLINE_LAMBDA {
    sum.partial[slot.value] = sum.partial[slot.value] + load(scale + i, span, 0.0f) * zero();
  });
  return sum.total();
}

void attention_u8s8(const AttentionU8S8& a) {
  const AttentionU8S8Layout l(a.keys, a.head_dim);
  const ByteAttention b(a.scratch, l);
  const ByteHead head = {a, l, b, missing_scale(a.v.scale, a.keys)};
  multiply_scales(a.k.scale, a.keys, a.scale * kLog2E, b.key_factor);
  pack_values(a.v.bytes, a.v.ld, a.keys, round_up(a.head_dim, 4), l, b.staging, b.values);
  for (std::size_t begin = 0; begin < a.queries;) {
    const std::size_t left = a.queries - begin;
    const std::size_t panels = left <= kPanel ? 1 : kQueryPanels;
    const std::size_t count = left < panels * kPanel ? left : panels * kPanel;
    attend_block(head, begin, count, panels);
    begin += count;
  }
}

}  // namespace sesame::kernels::SESAME_LEVEL
