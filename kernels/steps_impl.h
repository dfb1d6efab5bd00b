// The operators of a graph one by one, each rounded, over rows in cache (table.h). rows_<level>.cc includes this once a
// level.
#pragma once

#include "kernels/rows_impl.h"

namespace sesame::kernels::SESAME_LEVEL {

template <class Function>
SESAME_INLINE void combine(const Operand& a, const Operand& b, std::size_t n, float* y, Function function) {
  if (a.is_one) {
    const Lanes one = splat(*a.data);
    return map_row(b.data, n, y, [&](Lanes v) SESAME_INLINE_LAMBDA { return function(one, v); });
  }
  if (b.is_one) {
    const Lanes one = splat(*b.data);
    return map_row(a.data, n, y, [&](Lanes v) SESAME_INLINE_LAMBDA { return function(v, one); });
  }
  for_lanes(n, [&](std::size_t i, auto, auto span) SESAME_INLINE_LAMBDA {
    store(y + i, function(load(a.data + i, span, 0.0f), load(b.data + i, span, 0.0f)), span);
  });
}

void combine_row(Combination combination, const Operand& a, const Operand& b, std::size_t n, float* y) {
  switch (combination) {
    case Combination::add:
      return combine(a, b, n, y, [](Lanes v, Lanes w) SESAME_INLINE_LAMBDA { return v + w; });
    case Combination::subtract:
      return combine(a, b, n, y, [](Lanes v, Lanes w) SESAME_INLINE_LAMBDA { return v - w; });
    case Combination::multiply:
      return combine(a, b, n, y, [](Lanes v, Lanes w) SESAME_INLINE_LAMBDA { return v * w; });
    case Combination::divide:
      return combine(a, b, n, y, [](Lanes v, Lanes w) SESAME_INLINE_LAMBDA { return v / w; });
  }
}

void layernorm_steps_row(const float* x, const float* gamma, const float* beta, float epsilon, std::size_t n,
                         float* y) {
  const float count = static_cast<float>(n);
  const Lanes mean = splat(sum_row(x, n) / count);
  RowSum squares;
  for_lanes(n, [&](std::size_t i, auto slot, auto span) SESAME_INLINE_LAMBDA {
    const Lanes d = first(load(x + i, span, 0.0f) - mean, span, 0.0f);
    squares.partial[slot.value] = squares.partial[slot.value] + d * d;
  });
  const Lanes deviation = splat(sqrt(squares.total() / count + epsilon));
  for_lanes(n, [&](std::size_t i, auto, auto span) SESAME_INLINE_LAMBDA {
    const Lanes normal = (load(x + i, span, 0.0f) - mean) / deviation;
    store(y + i, normal * load(gamma + i, span, 0.0f) + load(beta + i, span, 0.0f), span);
  });
}

}  // namespace sesame::kernels::SESAME_LEVEL
