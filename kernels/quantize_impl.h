// quantize_row_u8 of table.h, written once over lanes.h. rows_<level>.cc includes this once a level.
#pragma once

#include "kernels/lanes.h"

namespace sesame::kernels::SESAME_LEVEL {

// max |x| as its bits: below the sign bit floats order as integers do, infinity and NaN above all others, so neither
// the order of elements nor the rules of float comparison matter.
SESAME_INLINE std::int32_t max_magnitude_bits(const float* x, std::size_t n) {
  const Ints magnitude = splat(std::int32_t{0x7FFFFFFF});
  Ints highest[4] = {splat(0), splat(0), splat(0), splat(0)};
  for_lanes(n, [&](std::size_t i, auto slot, auto span) SESAME_INLINE_LAMBDA {
    highest[slot.value] = max(highest[slot.value], bits(load(x + i, span, 0.0f)) & magnitude);
  });
  return reduce_max(max(max(highest[0], highest[1]), max(highest[2], highest[3])));
}

SESAME_INLINE Ints quantize_u8(Lanes x, Lanes per_step) { return to_int(x * per_step) + splat(128); }

SESAME_INLINE void fill_zero_point(std::size_t n, std::uint8_t* q) {
  for (std::size_t i = 0; i < n; ++i) q[i] = 128;
}

float quantize_row_u8(const float* x, std::size_t n, std::uint8_t* q) {
  constexpr std::int32_t kInfinity = 0x7F800000, kTwoToMinus100 = 27 << 23;
  const std::int32_t highest = max_magnitude_bits(x, n);
  const std::size_t padded = (n + 3) / 4 * 4;
  if (highest >= kInfinity || highest < kTwoToMinus100) {
    fill_zero_point(padded, q);
    return highest >= kInfinity ? __builtin_nanf("") : 0.0f;
  }
  const float m = __builtin_bit_cast(float, highest);
  const Lanes per_step = splat(127.0f / m);
  std::size_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    store_u8(q + i, quantize_u8(load(x + i), per_step), quantize_u8(load(x + i + kLanes), per_step),
             quantize_u8(load(x + i + 2 * kLanes), per_step), quantize_u8(load(x + i + 3 * kLanes), per_step));
  }
  for (; i + kLanes <= n; i += kLanes) store_u8(q + i, quantize_u8(load(x + i), per_step));
  if (i < n) store_u8(q + i, quantize_u8(load(x + i, n - i, 0.0f), per_step), padded - i);
  return m / 127.0f;
}

}  // namespace sesame::kernels::SESAME_LEVEL
