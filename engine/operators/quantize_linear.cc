// QuantizeLinear, DequantizeLinear (one scale, one a channel, or one a block) and DynamicQuantizeLinear.
#include <algorithm>

#include "engine/operators/loops.h"
#include "engine/operators/quantization.h"
#include "engine/operators/registry.h"

namespace sesame::engine {

namespace {

// Which scale each element of x has. x is walked as runs of `inner` elements: (outer, position along the axis).
class Granularity {
 public:
  Granularity(const Node& node)
      : axis_(node.attributes.integer("axis", 1)), block_(node.attributes.integer("block_size", 0)) {
    if (block_ < 0) throw Error("attribute 'block_size' is negative");
  }

  // Throws Error unless the scale and the zero point (may be undefined) fit x.
  void check(const Tensor& x, const Tensor& scale, const Tensor& zero_point) const {
    Shape expected;
    if (block_ > 0) {
      expected = x.shape();
      std::int64_t& dim = expected[normalized_axis(axis_, x.rank())];
      dim = (dim + block_ - 1) / block_;
      check_shape("scale", scale.shape(), expected);
    } else if (scale.size() == 1 && scale.rank() <= 1) {
      expected = scale.shape();
    } else {
      expected = {x.dim(normalized_axis(axis_, x.rank()))};
      check_shape("scale", scale.shape(), expected);
    }
    if (!zero_point) return;
    const bool one = scale.size() == 1 && zero_point.size() == 1 && zero_point.rank() <= 1;
    if (!one) check_shape("zero point", zero_point.shape(), expected);
  }

  // Calls fn(begin, n, parameter, step): elements [begin, begin + n) have the scales at parameter, parameter + step, ..
  template <class Fn>
  void for_each_run(const Tensor& x, const Tensor& scale, Fn fn) const {
    if (x.size() == 0) return;
    if (block_ == 0 && scale.size() == 1) return fn(std::int64_t{0}, x.size(), std::int64_t{0}, std::int64_t{0});
    const std::size_t axis = normalized_axis(axis_, x.rank());
    const std::int64_t dim = x.dim(axis);
    const std::int64_t inner = strides_of(x.shape())[axis];
    for (std::int64_t run = 0; run < x.size() / inner; ++run) {
      const std::int64_t position = run % dim;
      if (block_ == 0) {
        fn(run * inner, inner, position, std::int64_t{0});
      } else {
        const std::int64_t blocks = (dim + block_ - 1) / block_;
        fn(run * inner, inner, (run / dim * blocks + position / block_) * inner, std::int64_t{1});
      }
    }
  }

 private:
  std::int64_t axis_;
  std::int64_t block_;
};

const Tensor& optional(const Inference& io, std::size_t i) {
  static const Tensor none;
  return io.has(i) ? io.input(i) : none;
}
const Tensor& optional(const Execution& e, std::size_t i) {
  static const Tensor none;
  return e.has(i) ? e.inputs[i] : none;
}

class QuantizeLinear : public Operator {
 public:
  QuantizeLinear(const Graph& graph, const Node& node) : granularity_(node) {
    check_inputs(node, 2, 3);
    check_constant_scales(graph, node, 1);
    const std::int64_t type = node.attributes.integer("output_dtype", 0);
    if (type != 0) type_ = element_type(type);
    if (type_) check_type("attribute 'output_dtype'", *type_, ByteTypes{});
  }
  void infer(Inference& io) const override {
    check_type(io, 0, Types<float, Half, std::int32_t>{});
    check_type(io, 1, Types<float, Half, std::int32_t>{});
    if (io.has(2)) check_type("zero point", io.input(2).type(), ByteTypes{});
    const DType type = io.has(2) ? io.input(2).type() : type_.value_or(DType::u8);
    if (type_ && *type_ != type) throw Error("the zero point is not of the type that 'output_dtype' asks for");
    granularity_.check(io.input(0), io.input(1), optional(io, 2));
    io.output(0, type, io.input(0).shape());
  }
  void compute(const Execution& e) const override {
    const Tensor scale = as_floats(e.inputs[1]);
    check_scales(scale);
    visit_in(Types<float, Half, std::int32_t>{}, e.inputs[0].type(), [&](auto x) {
      visit_in(ByteTypes{}, e.outputs[0].type(), [&](auto q) { quantize<decltype(x), decltype(q)>(e, scale); });
    });
  }

 private:
  template <class T, class Q>
  void quantize(const Execution& e, const Tensor& scale) const {
    const Tensor& zero = optional(e, 2);
    granularity_.for_each_run(
        e.inputs[0], scale, [&](std::int64_t begin, std::int64_t n, std::int64_t p, std::int64_t step) {
          const T* x = e.inputs[0].data<T>() + begin;
          Q* y = e.outputs[0].data<Q>() + begin;
          if (step == 0) {
            const float s = scale.data<float>()[p];
            const std::int32_t z = zero_point_at(zero, p);
            for (std::int64_t i = 0; i < n; ++i) y[i] = quantized<Q>(static_cast<float>(load(x[i])), s, z);
          } else {
            for (std::int64_t i = 0; i < n; ++i) {
              y[i] =
                  quantized<Q>(static_cast<float>(load(x[i])), scale.data<float>()[p + i], zero_point_at(zero, p + i));
            }
          }
        });
  }

  Granularity granularity_;
  std::optional<DType> type_;
};

class DequantizeLinear : public Operator {
 public:
  DequantizeLinear(const Graph& graph, const Node& node) : granularity_(node) {
    check_inputs(node, 2, 3);
    check_constant_scales(graph, node, 1);
  }
  void infer(Inference& io) const override {
    check_type(io, 0, Types<std::int8_t, std::uint8_t, std::int32_t>{});
    check_type(io, 1, Types<float, Half>{});
    if (io.has(2)) check_same_type(io, 0, 2);
    granularity_.check(io.input(0), io.input(1), optional(io, 2));
    io.output(0, io.input(1).type(), io.input(0).shape());
  }
  void compute(const Execution& e) const override {
    const Tensor scale = as_floats(e.inputs[1]);
    check_scales(scale);
    visit_in(Types<std::int8_t, std::uint8_t, std::int32_t>{}, e.inputs[0].type(), [&](auto q) {
      visit_in(Types<float, Half>{}, e.outputs[0].type(),
               [&](auto y) { dequantize<decltype(q), decltype(y)>(e, scale); });
    });
  }

 private:
  template <class Q, class T>
  void dequantize(const Execution& e, const Tensor& scale) const {
    const Tensor& zero = optional(e, 2);
    granularity_.for_each_run(e.inputs[0], scale,
                              [&](std::int64_t begin, std::int64_t n, std::int64_t p, std::int64_t step) {
                                const Q* x = e.inputs[0].data<Q>() + begin;
                                T* y = e.outputs[0].data<T>() + begin;
                                for (std::int64_t i = 0; i < n; ++i, p += step) {
                                  // An int32 less its zero point may need 33 bits.
                                  const auto centred = static_cast<std::int64_t>(x[i]) - zero_point_at(zero, p);
                                  y[i] = store<T>(static_cast<float>(centred) * scale.data<float>()[p]);
                                }
                              });
  }

  Granularity granularity_;
};

class DynamicQuantizeLinear : public Operator {
 public:
  explicit DynamicQuantizeLinear(const Node& node) { check_inputs(node, 1, 1); }
  void infer(Inference& io) const override {
    check_type(io, 0, Types<float>{});
    io.output(0, DType::u8, io.input(0).shape());
    io.output(1, DType::f32, {});
    io.output(2, DType::u8, {});
  }
  void compute(const Execution& e) const override {
    const Tensor& x = e.inputs[0];
    const DynamicParameters p = dynamic_parameters(x.data<float>(), x.size());
    if (wants(e, 0)) {
      std::transform(x.data<float>(), x.data<float>() + x.size(), e.outputs[0].data<std::uint8_t>(),
                     [p](float v) { return quantized<std::uint8_t>(v, p.scale, p.zero_point); });
    }
    if (wants(e, 1)) *e.outputs[1].data<float>() = p.scale;
    if (wants(e, 2)) *e.outputs[2].data<std::uint8_t>() = p.zero_point;
  }
};

}  // namespace

void register_quantize_linear(Registry& r) {
  r.add("QuantizeLinear", 10, make<QuantizeLinear>());
  r.add("DequantizeLinear", 10, make<DequantizeLinear>());
  r.add("DynamicQuantizeLinear", 11, make<DynamicQuantizeLinear>());
  r.add(kMicrosoft, "QuantizeLinear", 1, make<QuantizeLinear>());
  r.add(kMicrosoft, "DequantizeLinear", 1, make<DequantizeLinear>());
}

}  // namespace sesame::engine
