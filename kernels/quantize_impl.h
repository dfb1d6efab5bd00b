// quantize_row_u8 and its kin of table.h, written once over lanes.h. rows_<level>.cc includes this once a level.
#pragma once

#include "kernels/math_lanes.h"

namespace sesame::kernels::SESAME_LEVEL {

// What a row is quantized from: x itself, or x times a multiplier a column, rounded.
struct PlainRow {
  const float* x;
  template <class Span>
  SESAME_INLINE Lanes at(std::size_t i, Span span) const {
    return load(x + i, span, 0.0f);
  }
};

struct SmoothedRow {
  const float* x;
  const float* multiplier;
  template <class Span>
  SESAME_INLINE Lanes at(std::size_t i, Span span) const {
    return load(x + i, span, 0.0f) * load(multiplier + i, span, 0.0f);
  }
};

// max |x| as its bits: below the sign bit floats order as integers do, infinity and NaN above all others, so neither
// the order of elements nor the rules of float comparison matter.
template <class Row>
SESAME_INLINE std::int32_t max_magnitude_bits(const Row& row, std::size_t n) {
  const Ints magnitude = splat(std::int32_t{0x7FFFFFFF});
  Ints highest[4] = {splat(0), splat(0), splat(0), splat(0)};
  for_lanes(n, [&](std::size_t i, auto slot, auto span) SESAME_INLINE_LAMBDA {
    highest[slot.value] = max(highest[slot.value], bits(row.at(i, span)) & magnitude);
  });
  return reduce_max(max(max(highest[0], highest[1]), max(highest[2], highest[3])));
}

SESAME_INLINE std::int32_t max_magnitude_bits(const float* x, std::size_t n) {
  return max_magnitude_bits(PlainRow{x}, n);
}

SESAME_INLINE void fill_zero_point(std::size_t n, std::uint8_t zero_point, std::uint8_t* q) {
  for (std::size_t i = 0; i < n; ++i) q[i] = zero_point;
}

// q[i] = quantize(row[i]) + 128 up to n rounded up to 4; past n that of 0.
template <class Row, class Quantize>
SESAME_INLINE void quantize_lanes(const Row& row, std::size_t n, std::uint8_t* q, Quantize quantize) {
  const auto at = [&](std::size_t i) SESAME_INLINE_LAMBDA { return quantize(row.at(i, Whole{})); };
  std::size_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    store_plus_128(q + i, at(i), at(i + kLanes), at(i + 2 * kLanes), at(i + 3 * kLanes));
  }
  for (; i + kLanes <= n; i += kLanes) store_u8(q + i, at(i) + splat(128));
  if (i < n) store_u8(q + i, quantize(row.at(i, Part{n - i})) + splat(128), (n + 3) / 4 * 4 - i);
}

// `highest` is max_magnitude_bits(row, n).
template <class Row>
SESAME_INLINE float quantize_row(const Row& row, std::size_t n, std::int32_t highest, std::uint8_t* q) {
  constexpr std::int32_t kInfinity = 0x7F800000, kTwoToMinus100 = 27 << 23;
  if (highest >= kInfinity || highest < kTwoToMinus100) {
    fill_zero_point((n + 3) / 4 * 4, 128, q);
    return highest >= kInfinity ? __builtin_nanf("") : 0.0f;
  }
  const float m = __builtin_bit_cast(float, highest);
  const Lanes per_step = splat(127.0f / m);
  quantize_lanes(row, n, q, [&](Lanes x) SESAME_INLINE_LAMBDA { return to_int(x * per_step); });
  return m / 127.0f;
}

template <class Row>
SESAME_INLINE float quantize_row(const Row& row, std::size_t n, std::uint8_t* q) {
  return quantize_row(row, n, max_magnitude_bits(row, n), q);
}

// Clamped before it is rounded: the bounds are integers, so that is the same, and the integers stay small.
template <class Row>
SESAME_INLINE float quantize_row(const Row& row, std::size_t n, float scale, std::uint8_t zero_point, std::uint8_t* q) {
  constexpr std::int32_t kInfinity = 0x7F800000;
  if (max_magnitude_bits(row, n) >= kInfinity) {
    fill_zero_point((n + 3) / 4 * 4, zero_point, q);
    return __builtin_nanf("");
  }
  const Lanes step = splat(scale);
  const Lanes low = splat(-static_cast<float>(zero_point)), high = splat(255.0f - static_cast<float>(zero_point));
  const Ints offset = splat(static_cast<std::int32_t>(zero_point) - 128);
  quantize_lanes(row, n, q,
                 [&](Lanes x) SESAME_INLINE_LAMBDA { return to_int(min(max(x / step, low), high)) + offset; });
  return scale;
}

float quantize_row_u8(const float* x, std::size_t n, std::uint8_t* q) { return quantize_row(PlainRow{x}, n, q); }

// One pass makes y and finds its largest, a second one over y, which is in L1 by then, quantizes it. x usually comes
// from L2 or beyond: asking for it early takes 14 % off a row of 3072. What lies behind a row is the next one, or
// nothing, for which a request does no harm.
template <Activation activation>
float activate_quantize(const float* x, std::size_t n, float* y, std::uint8_t* q) {
  const Ints magnitude = splat(std::int32_t{0x7FFFFFFF});
  Ints highest = splat(0);
  const auto at = [&](std::size_t i, auto span) SESAME_INLINE_LAMBDA {
    constexpr std::size_t kAhead = 16 * kLanes;
    __builtin_prefetch(x + i + kAhead, 0, 3);
    const Lanes a = first(activate_short<activation>(load(x + i, span, 0.0f)), span, 0.0f);
    store(y + i, a, span);
    highest = max(highest, bits(a) & magnitude);
  };
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) at(i, Whole{});
  if (i < n) at(i, Part{n - i});
  return quantize_row(PlainRow{y}, n, reduce_max(highest), q);
}

float activate_quantize_row_u8(Activation activation, const float* x, std::size_t n, float* y, std::uint8_t* q) {
  switch (activation) {
    case Activation::none:
      return activate_quantize<Activation::none>(x, n, y, q);
    case Activation::gelu_erf:
      return activate_quantize<Activation::gelu_erf>(x, n, y, q);
    case Activation::gelu_tanh:
      return activate_quantize<Activation::gelu_tanh>(x, n, y, q);
    case Activation::relu:
      return activate_quantize<Activation::relu>(x, n, y, q);
    case Activation::tanh:
      return activate_quantize<Activation::tanh>(x, n, y, q);
  }
  return 0.0f;
}

float smooth_quantize_row_u8(const float* x, const float* multiplier, std::size_t n, std::uint8_t* q) {
  return quantize_row(SmoothedRow{x, multiplier}, n, q);
}

float static_quantize_row_u8(const float* x, const float* multiplier, std::size_t n, float scale,
                             std::uint8_t zero_point, std::uint8_t* q) {
  return multiplier == nullptr ? quantize_row(PlainRow{x}, n, scale, zero_point, q)
                               : quantize_row(SmoothedRow{x, multiplier}, n, scale, zero_point, q);
}

}  // namespace sesame::kernels::SESAME_LEVEL
