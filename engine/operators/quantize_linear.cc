// QuantizeLinear, DequantizeLinear (one scale, one a channel, or one a block) and DynamicQuantizeLinear.
#include <algorithm>
#include <cmath>

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

  // Whether all elements have the same scale.
  bool is_one(const Tensor& scale) const { return block_ == 0 && scale.size() == 1; }

  // Calls fn(begin, n, parameter, step): elements [begin, begin + n) have the scales at parameter, parameter + step, ..
  template <class Fn>
  void for_each_run(const Tensor& x, const Tensor& scale, Fn fn) const {
    if (x.size() == 0) return;
    if (is_one(scale)) return fn(std::int64_t{0}, x.size(), std::int64_t{0}, std::int64_t{0});
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
    const Tensor& from = e.inputs[0];
    if constexpr (std::is_same_v<T, float>) {
      if (granularity_.is_one(scale)) {
        return e.kernels->quantize_affine_row(from.data<float>(), static_cast<std::size_t>(from.size()),
                                              *scale.data<float>(), byte_range(e.outputs[0].type(), zero),
                                              static_cast<std::uint8_t*>(e.outputs[0].raw()));
      }
    }
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
    if constexpr (std::is_same_v<T, float> && sizeof(Q) == 1) {
      if (granularity_.is_one(scale)) {
        return e.kernels->dequantize_row(static_cast<const std::uint8_t*>(e.inputs[0].raw()),
                                         static_cast<std::size_t>(e.inputs[0].size()), *scale.data<float>(),
                                         byte_range(e.inputs[0].type(), zero), e.outputs[0].data<float>());
      }
    }
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

// Three phases: the range of each piece; then scale and zero point; then the bytes, piece by piece.
class DynamicQuantizeLinear : public Step {
 public:
  explicit DynamicQuantizeLinear(const Node& node) { check_inputs(node, 1, 1); }
  void infer(Inference& io) const override {
    check_type(io, 0, Types<float>{});
    io.output(0, DType::u8, io.input(0).shape());
    io.output(1, DType::f32, {});
    io.output(2, DType::u8, {});
  }
  std::size_t scratch_bytes(std::span<const Tensor> inputs, std::span<const Tensor>) const override {
    return kHeader + pieces(inputs[0]) * sizeof(kernels::Range);
  }
  std::size_t phases() const override { return 3; }
  std::size_t items(const Execution& e, std::size_t phase) const override {
    return phase == 1 ? 1 : pieces(e.inputs[0]);
  }
  void run(const Execution& e, std::size_t phase, std::size_t item, int) const override {
    auto* parameters = reinterpret_cast<DynamicParameters*>(e.scratch);
    auto* ranges = reinterpret_cast<kernels::Range*>(e.scratch + kHeader);
    if (phase == 1) {
      *parameters = join(std::span(ranges, pieces(e.inputs[0])));
      if (wants(e, 1)) *e.outputs[1].data<float>() = parameters->scale;
      if (wants(e, 2)) *e.outputs[2].data<std::uint8_t>() = parameters->zero_point;
      return;
    }
    const std::size_t begin = item * kPiece;
    const std::size_t n = std::min(kPiece, static_cast<std::size_t>(e.inputs[0].size()) - begin);
    const float* x = e.inputs[0].data<float>() + begin;
    if (phase == 0) {
      ranges[item] = e.kernels->range_row(x, n);
    } else if (wants(e, 0)) {
      e.kernels->quantize_affine_row(x, n, parameters->scale, {false, parameters->zero_point},
                                     e.outputs[0].data<std::uint8_t>() + begin);
    }
  }

 private:
  static constexpr std::size_t kPiece = 16384;  // elements: what a core reads from its own cache twice
  static constexpr std::size_t kHeader = 64;

  static std::size_t pieces(const Tensor& x) { return (static_cast<std::size_t>(x.size()) + kPiece - 1) / kPiece; }

  static DynamicParameters join(std::span<const kernels::Range> ranges) {
    kernels::Range all{0, 0};
    for (const kernels::Range& range : ranges) {
      if (std::isnan(range.low)) return dynamic_parameters(range);
      all = {std::min(all.low, range.low), std::max(all.high, range.high)};
    }
    return dynamic_parameters(all);
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
