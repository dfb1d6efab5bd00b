// attention_u8s8 of table.h, written once over lanes.h. attention_u8s8_<level>.cc includes this once a level.
//
// A lane is a query: maxima, sums and scales of a query's row never leave its lane. A panel or two of queries at a
// time: the integer products with all keys, whose bytes are read where they are; from scores to weights of 8 bits, down
// the keys; the products with the values.
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
        shift(reinterpret_cast<float*>(scratch + l.shift)),
        unshift(reinterpret_cast<float*>(scratch + l.unshift)),
        value_factor(reinterpret_cast<float*>(scratch + l.value_factor)),
        queries(reinterpret_cast<std::int8_t*>(scratch + l.queries)),
        query_init(reinterpret_cast<std::int32_t*>(scratch + l.query_init)),
        staging(reinterpret_cast<std::uint8_t*>(scratch + l.staging)),
        scores(reinterpret_cast<float*>(scratch + l.scores)) {}

  std::int8_t* values;
  float* key_factor;
  float* shift;
  float* unshift;
  float* value_factor;
  std::int8_t* queries;
  std::int32_t* query_init;
  std::uint8_t* staging;
  float* scores;
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

// Calls f(j, column) with column j of 16 rows of bias, as long as that gives true.
template <class Function>
SESAME_INLINE void for_bias_columns(const float* const* row, std::size_t keys, Function f) {
  for (std::size_t j = 0; j < keys; j += 4) {
    Lanes column[4];
    load_bias(row, j, keys, column);
    for (std::size_t i = 0; i < 4 && j + i < keys; ++i) {
      if (!f(j + i, column[i])) return;
    }
  }
}

SESAME_INLINE bool is_any_below(Lanes a, float bound) { return reduce_max(zero() - a) > -bound; }

// The highest bias of each row, or where all rows have one of at least `bound`, anything that is.
SESAME_INLINE Lanes highest_bias(const float* const* row, std::size_t keys, float bound) {
  Lanes highest = splat(-__builtin_inff());
  for_bias_columns(row, keys, [&](std::size_t j, Lanes bias) SESAME_INLINE_LAMBDA {
    highest = max(bias, highest);
    return j % 4 != 3 || is_any_below(highest, bound);
  });
  return highest;
}

// Adds the bias of `count` queries, whose first row is `bias`, to their scores. Gives the highest.
inline Lanes add_bias(const AttentionU8S8& a, const float* bias, std::size_t count, const float* shift, float* scores) {
  const float* row[kLanes];
  for (std::size_t l = 0; l < kLanes; ++l)
    row[l] = l < count ? bias + static_cast<std::ptrdiff_t>(l) * a.ld_bias : row[l - 1];
  Lanes highest = splat(-__builtin_inff());
  const auto add = [&](auto sum) SESAME_INLINE_LAMBDA {
    for_bias_columns(row, a.keys, [&](std::size_t j, Lanes column) SESAME_INLINE_LAMBDA {
      float* score = scores + j * kLanes;
      const Lanes y = sum(j, column, load(score));
      highest = max(y, highest);
      store(score, y);
      return true;
    });
  };
  const auto plain = [](std::size_t, Lanes column, Lanes y)
                         SESAME_INLINE_LAMBDA { return fma(column, splat(kLog2E), y); };
  const Lanes base = highest_bias(row, a.keys, kSwallowingBias);
  if (!is_any_below(base, kSwallowingBias)) {
    add(plain);
    return highest;
  }
  const Mask swallows = less(base, splat(kSwallowingBias));
  add([&](std::size_t j, Lanes column, Lanes y) SESAME_INLINE_LAMBDA {
    const Lanes above = fma(y - splat(shift[j]), splat(kLn2High), column) - base;
    return select(swallows, fma(above, splat(kLog2E), splat(shift[j])), plain(j, column, y));
  });
  return highest;
}

// Whether the second half of four exponentials runs beside the first of the next four, since a chain of ten operations
// of 4 cycles is longer than the CPU looks ahead. That takes 8 registers.
#if defined(__AVX512F__)
inline constexpr bool kSplitAhead = true;
#else
inline constexpr bool kSplitAhead = false;
#endif

// From scores to weights of 8 bits, in place: bytes [keys/4][16][4] from `scores` on, which lie where scores have been
// read before. Gives the sum of the exponentials without what values' scales added to scores.
//
// A score is at most the highest, so an exponential is at most 1; factor is at most 240 * 1.0615 * (1 + 1.02e-4), the
// most that shift_scores makes of it, which is less than 255.
SESAME_INLINE Lanes weigh(float* scores, Lanes highest, std::size_t keys, const float* unshift, const float* factor) {
  auto* bytes = reinterpret_cast<std::uint8_t*>(scores);
  Lanes sum[4] = {zero(), zero(), zero(), zero()};
  const auto split = [&](std::size_t j)
                         SESAME_INLINE_LAMBDA { return exp2_split(load(scores + j * kLanes) - highest); };
  const auto join = [&](const Exp2Split& x, std::size_t j, auto slot) SESAME_INLINE_LAMBDA {
    const Lanes e = exp2_join(x);
    sum[slot.value] = fma(e, splat(unshift[j]), sum[slot.value]);
    // 2^23 leaves no room for a fraction, and the integer in the lowest bits.
    return bits(fma(e, splat(factor[j]), splat(0x1p23f)));
  };
  // Of four keys, whose first halves are part(0) to part(3).
  const auto weigh4 = [&](std::size_t j, auto part) SESAME_INLINE_LAMBDA {
    const Ints w0 = join(part(0), j, Slot<0>{}), w1 = join(part(1), j + 1, Slot<1>{});
    const Ints w2 = join(part(2), j + 2, Slot<2>{}), w3 = join(part(3), j + 3, Slot<3>{});
    store_ints(bytes + j * kLanes, interleave4(w0, w1, w2, w3));
  };
  std::size_t j = 0;
  if (kSplitAhead && keys >= 4) {
    Exp2Split x[4] = {split(0), split(1), split(2), split(3)};
    const auto ready = [&](std::size_t i) SESAME_INLINE_LAMBDA { return x[i]; };
    for (; j + 8 <= keys; j += 4) {
      const Exp2Split next[4] = {split(j + 4), split(j + 5), split(j + 6), split(j + 7)};
      weigh4(j, ready);
      for (std::size_t i = 0; i < 4; ++i) x[i] = next[i];
    }
    weigh4(j, ready);
    j += 4;
  }
  for (; j + 4 <= keys; j += 4) weigh4(j, [&](std::size_t i) SESAME_INLINE_LAMBDA { return split(j + i); });
  if (j < keys) {
    const Ints none = splat(0), w0 = join(split(j), j, Slot<0>{});
    const Ints w1 = j + 1 < keys ? join(split(j + 1), j + 1, Slot<1>{}) : none;
    const Ints w2 = j + 2 < keys ? join(split(j + 2), j + 2, Slot<2>{}) : none;
    store_ints(bytes + j * kLanes, interleave4(w0, w1, w2, none));
  }
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

// One call's constants.
struct ByteHead {
  const AttentionU8S8& a;
  const AttentionU8S8Layout& l;
  const ByteAttention& b;
  float value_step;  // of a weight times a value
};

// Queries [begin, begin + count) of a block's panel: from products to context.
inline void attend_panel(const ByteHead& h, std::size_t begin, std::size_t count, float* scores, Lanes highest) {
  const AttentionU8S8& a = h.a;
  if (a.bias) highest = add_bias(a, a.bias + static_cast<std::ptrdiff_t>(begin) * a.ld_bias, count, h.b.shift, scores);
  alignas(64) float factor[kLanes];
  store(factor, splat(h.value_step) / weigh(scores, highest, a.keys, h.b.unshift, h.b.value_factor));
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
  alignas(64) float query_scale[AttentionU8S8Layout::kQueryPanels * kPanel];
  for (std::size_t i = 0; i < panels * kPanel; i += kLanes) {
    store(highest + i, splat(-__builtin_inff()));
    store(query_scale + i, load(a.q.scale + begin + i, count - i < kLanes ? count - i : kLanes, 0.0f));
  }
  const std::size_t stride = h.l.key_steps * 4 * kPanel;
  multiply_bytes<kQueryPanels>(a.keys, panels,
                               {.a = a.k.bytes,
                                .row = a.k.ld,
                                .step = 4,
                                .b = h.b.queries,
                                .panel_bytes = panel_bytes,
                                .steps = bytes / 4,
                                .init = h.b.query_init},
                               ScoreTile{h.b.key_factor, h.b.shift, query_scale, h.b.scores, stride, highest});
  for (std::size_t p = 0; p < panels; ++p) {
    const std::size_t rows = count - p * kPanel < kPanel ? count - p * kPanel : kPanel;
    attend_panel(h, begin + p * kPanel, rows, h.b.scores + p * stride, load(highest + p * kPanel));
  }
}

// factor[j] = scale[j] * times.
SESAME_INLINE void multiply_scales(const float* scale, std::size_t n, float times, float* factor) {
  for_lanes(n, [&](std::size_t i, auto, auto span)
                   SESAME_INLINE_LAMBDA { store(factor + i, load(scale + i, span, 0.0f) * splat(times), span); });
}

// Of those that are not NaN, and of 0.
SESAME_INLINE float highest_scale(const float* scale, std::size_t n) {
  Lanes highest = zero();
  for_lanes(n, [&](std::size_t i, auto, auto span)
                   SESAME_INLINE_LAMBDA { highest = max(load(scale + i, span, 0.0f), highest); });
  return reduce_max(highest);
}

// What a value's scale, as a share r of the highest one, adds to scores, and how that comes out of the sum and, but for
// r itself, out of weights again. The bits of a float are its logarithm but for straight lines between powers of 2:
// r * unshift is at least 1 and at most 1.0615.
SESAME_INLINE void shift_scores(const float* scale, std::size_t n, float per_highest, const ByteAttention& b) {
  for_lanes(n, [&](std::size_t i, auto, auto span) SESAME_INLINE_LAMBDA {
    const Lanes r = max(splat(0x1p-40f), load(scale + i, span, 0.0f) * splat(per_highest));
    const Lanes shift = fma(to_float(bits(r)), splat(0x1p-23f), splat(-127.0f)) + r * zero();  // NaN stays NaN
    const Lanes unshift = exp2_coarse(zero() - shift);
    store(b.shift + i, shift, span);
    store(b.unshift + i, unshift, span);
    store(b.value_factor + i, (r * splat(240.0f)) * unshift, span);
  });
}

void attention_u8s8(const AttentionU8S8& a) {
  const AttentionU8S8Layout l(a.keys, a.head_dim);
  const ByteAttention b(a.scratch, l);
  const float value_scale = highest_scale(a.v.scale, a.keys);
  const bool tiny = value_scale < 0x1p-100f;
  const ByteHead head = {a, l, b, tiny ? 0.0f : value_scale / 240.0f};
  multiply_scales(a.k.scale, a.keys, a.scale * kLog2E, b.key_factor);
  shift_scores(a.v.scale, a.keys, tiny ? 0.0f : 1.0f / value_scale, b);
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
