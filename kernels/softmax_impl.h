// The exponentials of a row, shared by softmax and attention, over lanes.h.
#pragma once

#include "kernels/math_lanes.h"

namespace sesame::kernels::SESAME_LEVEL {

SESAME_INLINE float max_row(const float* x, std::size_t n) {
  const float lowest = -__builtin_inff();
  Lanes highest[4] = {splat(lowest), splat(lowest), splat(lowest), splat(lowest)};
  for_lanes(n, [&](std::size_t i, auto slot, auto span)
                   SESAME_INLINE_LAMBDA { highest[slot.value] = max(highest[slot.value], load(x + i, span, lowest)); });
  return reduce_max(max(max(highest[0], highest[1]), max(highest[2], highest[3])));
}

// y = exp(x - max x); returns the sum of y. Whatever maximum a row with NaN finds, its sum is NaN.
SESAME_INLINE float exp_minus_max_row(const float* x, std::size_t n, float* y) {
  const Lanes highest = splat(max_row(x, n));
  RowSum sum;
  for_lanes(n, [&](std::size_t i, auto slot, auto span) SESAME_INLINE_LAMBDA {
    const Lanes e = first(exp_nonpositive(load(x + i, span, 0.0f) - highest), span, 0.0f);
    store(y + i, e, span);
    sum.partial[slot.value] = sum.partial[slot.value] + e;
  });
  return sum.total();
}

}  // namespace sesame::kernels::SESAME_LEVEL
