// The row kernels of table.h, written once over lanes.h. rows_<level>.cc includes this once a level.
#pragma once

#include "kernels/math_lanes.h"
#include "kernels/softmax_impl.h"

namespace sesame::kernels::SESAME_LEVEL {

// y[i] = function(x[i]).
template <class Function>
SESAME_INLINE void map_row(const float* x, std::size_t n, float* y, Function function) {
  const auto at = [&](std::size_t i, auto span)
                      SESAME_INLINE_LAMBDA { store(y + i, function(load(x + i, span, 0.0f)), span); };
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) at(i, Whole{});
  if (i < n) at(i, Part{n - i});
}

template <Activation activation>
void map_activation(const float* x, std::size_t n, float* y) {
  map_row(x, n, y, [](Lanes a) SESAME_INLINE_LAMBDA { return activate<activation>(a); });
}

void activation_row(Activation activation, const float* x, std::size_t n, float* y) {
  switch (activation) {
    case Activation::none:
      return map_activation<Activation::none>(x, n, y);
    case Activation::gelu_erf:
      return map_activation<Activation::gelu_erf>(x, n, y);
    case Activation::gelu_tanh:
      return map_activation<Activation::gelu_tanh>(x, n, y);
    case Activation::relu:
      return map_activation<Activation::relu>(x, n, y);
    case Activation::tanh:
      return map_activation<Activation::tanh>(x, n, y);
  }
}

void exp_row(const float* x, std::size_t n, float* y) {
  map_row(x, n, y, [](Lanes a) SESAME_INLINE_LAMBDA { return exp(a); });
}

void erf_row(const float* x, std::size_t n, float* y) {
  map_row(x, n, y, [](Lanes a) SESAME_INLINE_LAMBDA { return erf(a); });
}

void tanh_row(const float* x, std::size_t n, float* y) {
  map_row(x, n, y, [](Lanes a) SESAME_INLINE_LAMBDA { return tanh(a); });
}

void add_row(const float* x, std::size_t n, float* y) {
  for_lanes(n, [&](std::size_t i, auto, auto span)
                   SESAME_INLINE_LAMBDA { store(y + i, load(y + i, span, 0.0f) + load(x + i, span, 0.0f), span); });
}

float sum_row(const float* x, std::size_t n) {
  RowSum sum;
  for_lanes(n, [&](std::size_t i, auto slot, auto span) SESAME_INLINE_LAMBDA {
    sum.partial[slot.value] = sum.partial[slot.value] + load(x + i, span, 0.0f);
  });
  return sum.total();
}

// Sum of (x - mean)^2.
SESAME_INLINE float sum_squared_deviations(const float* x, float mean, std::size_t n) {
  RowSum sum;
  for_lanes(n, [&](std::size_t i, auto slot, auto span) SESAME_INLINE_LAMBDA {
    const Lanes d = first(load(x + i, span, 0.0f) - splat(mean), span, 0.0f);
    sum.partial[slot.value] = fma(d, d, sum.partial[slot.value]);
  });
  return sum.total();
}

void layernorm_row(const float* x, const float* gamma, const float* beta, float epsilon, std::size_t n, float* y) {
  const float count = static_cast<float>(n);
  const float mean = sum_row(x, n) / count;
  const float variance = sum_squared_deviations(x, mean, n) / count;
  const float inverse = 1.0f / sqrt(variance + epsilon);
  for_lanes(n, [&](std::size_t i, auto, auto span) SESAME_INLINE_LAMBDA {
    const Lanes normal = (load(x + i, span, 0.0f) - splat(mean)) * splat(inverse);
    store(y + i, fma(normal, load(gamma + i, span, 0.0f), load(beta + i, span, 0.0f)), span);
  });
}

void softmax_row(const float* x, std::size_t n, float* y) {
  const Lanes sum = splat(exp_minus_max_row(x, n, y));
  map_row(y, n, y, [&](Lanes e) SESAME_INLINE_LAMBDA { return e / sum; });
}

}  // namespace sesame::kernels::SESAME_LEVEL
