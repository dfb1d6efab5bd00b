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

// layernorm_row of `count` rows at once: within a row each pass waits for the sum of the one before it, and another row
// fills the time. 72 instead of 105 ns for a row of 768, two at a time. The last pass, which has nothing to wait for,
// asks for the rows of x that follow, to write if y is x, and that takes 14 % off rows from L2.
template <std::size_t count>
SESAME_INLINE void normalize_rows(const float* x, std::ptrdiff_t ldx, const float* gamma, const float* beta,
                                  float epsilon, std::size_t n, float* y, std::ptrdiff_t ldy) {
  const auto row = [](auto* matrix, std::ptrdiff_t ld, std::size_t r)
                       SESAME_INLINE_LAMBDA { return matrix + static_cast<std::ptrdiff_t>(r) * ld; };
  const float elements = static_cast<float>(n);
  RowSum sum[count], squares[count];
  float mean[count], inverse[count];
  for_lanes(n, [&](std::size_t i, auto slot, auto span) SESAME_INLINE_LAMBDA {
#pragma GCC unroll 4
    for (std::size_t r = 0; r < count; ++r) {
      Lanes& partial = sum[r].partial[slot.value];
      partial = partial + load(row(x, ldx, r) + i, span, 0.0f);
    }
  });
  for (std::size_t r = 0; r < count; ++r) mean[r] = sum[r].total() / elements;
  for_lanes(n, [&](std::size_t i, auto slot, auto span) SESAME_INLINE_LAMBDA {
#pragma GCC unroll 4
    for (std::size_t r = 0; r < count; ++r) {
      Lanes& partial = squares[r].partial[slot.value];
      const Lanes d = first(load(row(x, ldx, r) + i, span, 0.0f) - splat(mean[r]), span, 0.0f);
      partial = fma(d, d, partial);
    }
  });
  for (std::size_t r = 0; r < count; ++r) inverse[r] = 1.0f / sqrt(squares[r].total() / elements + epsilon);
  for_lanes(n, [&](std::size_t i, auto, auto span) SESAME_INLINE_LAMBDA {
    const Lanes factor = load(gamma + i, span, 0.0f), shift = load(beta + i, span, 0.0f);
#pragma GCC unroll 4
    for (std::size_t r = 0; r < count; ++r) {
      const Lanes normal = (load(row(x, ldx, r) + i, span, 0.0f) - splat(mean[r])) * splat(inverse[r]);
      store(row(y, ldy, r) + i, fma(normal, factor, shift), span);
      if (count > 1) __builtin_prefetch(row(x, ldx, r + count) + i, 1, 3);
    }
  });
}

void layernorm_row(const float* x, const float* gamma, const float* beta, float epsilon, std::size_t n, float* y) {
  normalize_rows<1>(x, 0, gamma, beta, epsilon, n, y, 0);
}

void layernorm_two_rows(const float* x, std::ptrdiff_t ldx, const float* gamma, const float* beta, float epsilon,
                        std::size_t n, float* y, std::ptrdiff_t ldy) {
  normalize_rows<2>(x, ldx, gamma, beta, epsilon, n, y, ldy);
}

void softmax_row(const float* x, std::size_t n, float* y) {
  const Lanes sum = splat(exp_minus_max_row(x, n, y));
  map_row(y, n, y, [&](Lanes e) SESAME_INLINE_LAMBDA { return e / sum; });
}

}  // namespace sesame::kernels::SESAME_LEVEL
