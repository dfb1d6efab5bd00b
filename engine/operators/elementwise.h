// Elementwise loops over one and two operands with ONNX's broadcasting.
#pragma once

#include <array>

#include "engine/operators/common.h"
#include "engine/operators/loops.h"

namespace sesame::engine {

// y[i] = fn(x[i]).
template <class In, class Out, class Fn>
void map(const Tensor& x, const Tensor& y, Fn fn) {
  const In* from = x.data<In>();
  Out* to = y.data<Out>();
  const std::int64_t n = x.size();
  for (std::int64_t i = 0; i < n; ++i) to[i] = store<Out>(fn(load(from[i])));
}

// y = fn(a, b), a and b broadcast to y's shape. y may be a when a has y's shape.
template <class In, class Out, class Fn>
void zip(const Tensor& a, const Tensor& b, const Tensor& y, Fn fn) {
  const LoopNest<2> nest(y.shape(), std::array<const Shape*, 2>{&a.shape(), &b.shape()});
  const std::size_t n = nest.row();
  Out* to = y.data<Out>();
  nest.for_each_row([&](const auto& at) {
    const In* pa = a.data<In>() + at[0];
    const In* pb = b.data<In>() + at[1];
    if (nest.row_stride(0) == 0) {
      const auto x = load(*pa);
      for (std::size_t i = 0; i < n; ++i) to[i] = store<Out>(fn(x, load(pb[i])));
    } else if (nest.row_stride(1) == 0) {
      const auto x = load(*pb);
      for (std::size_t i = 0; i < n; ++i) to[i] = store<Out>(fn(load(pa[i]), x));
    } else {
      for (std::size_t i = 0; i < n; ++i) to[i] = store<Out>(fn(load(pa[i]), load(pb[i])));
    }
    to += n;
  });
}

// One input of a type in Set; the output has its type and shape.
template <class Set>
class UnaryOperator : public Operator {
 public:
  void infer(Inference& io) const override {
    check_type(io, 0, Set{});
    io.output(0, io.input(0).type(), io.input(0).shape());
  }
};

}  // namespace sesame::engine
