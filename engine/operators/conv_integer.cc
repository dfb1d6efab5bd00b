// Convolutions of bytes: ConvInteger and QLinearConv.
#include <algorithm>

#include "engine/operators/convolution.h"
#include "engine/operators/integer_product.h"
#include "engine/operators/quantization.h"
#include "engine/operators/registry.h"

namespace sesame::engine {

namespace {

constexpr std::int64_t kColumns = 128;  // output positions multiplied at once

Tensor optional(const Execution& e, std::size_t i) { return e.has(i) ? e.inputs[i] : Tensor(); }
Tensor optional(const Inference& io, std::size_t i) { return io.has(i) ? io.input(i) : Tensor(); }

// Bytes and zero points: one for x; one for w, or one a feature.
struct IntegerConvolution {
  Tensor x, x_zero;
  Tensor w, w_zero;

  // Throws Error where types or shapes do not fit.
  ConvolutionShape check(const ConvolutionParameters& parameters) const {
    check_type("x", x.type(), ByteTypes{});
    check_type("w", w.type(), ByteTypes{});
    const ConvolutionShape s = parameters.shape(x.shape(), w.shape());
    check_zero_point("x's zero point", x_zero, x.type(), 1);
    check_zero_point("w's zero point", w_zero, w.type(), s.groups * s.features);
    return s;
  }

  // Calls fn(feature, offset in y, count, sums) for runs of output positions of one feature.
  template <class Fn>
  void for_each_run(const ConvolutionShape& s, Fn fn) const {
    std::vector<std::int16_t> weights(static_cast<std::size_t>(w.size())), input(static_cast<std::size_t>(x.size()));
    widen_weights(s, weights.data());
    widen(x, x_zero, input.data());
    std::vector<std::int16_t> columns(static_cast<std::size_t>(s.depth() * kColumns));
    std::vector<std::int32_t> sums(static_cast<std::size_t>(s.features * kColumns));
    for (std::int64_t plane = 0; plane < s.batch * s.groups; ++plane) {
      const std::int64_t group = plane % s.groups;
      for (std::int64_t first = 0; first < s.out_size(); first += kColumns) {
        const std::int64_t count = std::min(kColumns, s.out_size() - first);
        gather(s, input.data() + plane * s.channels * s.in_size(), first, count, columns.data());
        multiply_int16(weights.data() + group * s.features * s.depth(), columns.data(), s.features, count, s.depth(),
                       sums.data());
        for (std::int64_t m = 0; m < s.features; ++m) {
          fn(group * s.features + m, (plane * s.features + m) * s.out_size() + first, count, sums.data() + m * count);
        }
      }
    }
  }

 private:
  void widen_weights(const ConvolutionShape& s, std::int16_t* to) const {
    if (w_zero.size() <= 1) return widen(w, w_zero, to);
    visit_in(ByteTypes{}, w.type(), [&](auto t) {
      for (std::int64_t i = 0; i < w.size(); ++i) {
        to[i] = static_cast<std::int16_t>(w.data<decltype(t)>()[i] - zero_point_at(w_zero, i / s.depth()));
      }
    });
  }

  // Padding holds the zero point, which is 0 here.
  static void gather(const ConvolutionShape& s, const std::int16_t* x, std::int64_t first, std::int64_t count,
                     std::int16_t* columns) {
    std::int64_t source[kColumns];
    for (std::int64_t k = 0; k < s.depth(); ++k) {
      s.sources(k, first, count, source);
      for (std::int64_t p = 0; p < count; ++p) columns[k * count + p] = source[p] < 0 ? std::int16_t{0} : x[source[p]];
    }
  }
};

// x, w, zero point of x, zero points of w; int32 out.
class ConvInteger : public Operator {
 public:
  explicit ConvInteger(const Node& node) : parameters_(node) { check_inputs(node, 2, 4); }
  void infer(Inference& io) const override {
    const IntegerConvolution c{io.input(0), optional(io, 2), io.input(1), optional(io, 3)};
    io.output(0, DType::i32, c.check(parameters_).output());
  }
  void compute(const Execution& e) const override {
    if (e.outputs[0].size() == 0) return;
    const IntegerConvolution c{e.inputs[0], optional(e, 2), e.inputs[1], optional(e, 3)};
    c.for_each_run(c.check(parameters_), [&](std::int64_t, std::int64_t at, std::int64_t n, const std::int32_t* sums) {
      std::copy_n(sums, n, e.outputs[0].data<std::int32_t>() + at);
    });
  }

 private:
  ConvolutionParameters parameters_;
};

// x, scale, zero point, w, scales, zero points, scale and zero point of y, bias (int32):
// y = round((acc + bias) * (scale_x * scale_w / scale_y)) + zero point.
class QLinearConv : public Operator {
 public:
  QLinearConv(const Graph& graph, const Node& node) : parameters_(node) {
    check_inputs(node, 8, 9);
    for (std::size_t i : kScales) check_constant_scales(graph, node, i);
  }
  void infer(Inference& io) const override {
    const IntegerConvolution c{io.input(0), io.input(2), io.input(3), io.input(5)};
    const ConvolutionShape s = c.check(parameters_);
    check_scale_shape("x's scale", io.input(1), 1);
    check_scale_shape("w's scale", io.input(4), s.groups * s.features);
    check_scale_shape("y's scale", io.input(6), 1);
    check_type("y's zero point", io.input(7).type(), ByteTypes{});
    check_zero_point("y's zero point", io.input(7), io.input(7).type(), 1);
    if (io.has(8)) {
      check_type(io, 8, Types<std::int32_t>{});
      check_shape("the bias", io.input(8).shape(), {s.groups * s.features});
    }
    io.output(0, io.input(7).type(), s.output());
  }
  void compute(const Execution& e) const override {
    for (std::size_t i : kScales) check_scales(e.inputs[i]);
    if (e.outputs[0].size() == 0) return;
    const IntegerConvolution c{e.inputs[0], e.inputs[2], e.inputs[3], e.inputs[5]};
    const std::int32_t zero = zero_point_at(e.inputs[7], 0);
    visit_in(ByteTypes{}, e.outputs[0].type(), [&](auto q) {
      using Q = decltype(q);
      c.for_each_run(
          c.check(parameters_), [&](std::int64_t feature, std::int64_t at, std::int64_t n, const std::int32_t* sums) {
            const std::int64_t bias = e.has(8) ? e.inputs[8].data<std::int32_t>()[feature] : 0;
            const float factor = scale_at(e.inputs[1], 0) * scale_at(e.inputs[4], feature) / scale_at(e.inputs[6], 0);
            for (std::int64_t i = 0; i < n; ++i) {
              e.outputs[0].data<Q>()[at + i] = saturated<Q>(static_cast<float>(sums[i] + bias) * factor, zero);
            }
          });
    });
  }

 private:
  static constexpr std::size_t kScales[] = {1, 4, 6};
  ConvolutionParameters parameters_;
};

}  // namespace

void register_conv_integer(Registry& r) {
  r.add("ConvInteger", 10, make<ConvInteger>());
  r.add("QLinearConv", 10, make<QLinearConv>());
}

}  // namespace sesame::engine
