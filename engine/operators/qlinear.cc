// ONNX Runtime's elementwise operators on quantized tensors: every operand comes with its scale and zero point, the
// result is quantized anew.
#include <algorithm>
#include <array>

#include "engine/byte_softmax.h"
#include "engine/operators/elementwise.h"
#include "engine/operators/quantization.h"
#include "engine/operators/registry.h"
#include "engine/quantized_node.h"

namespace sesame::engine {

namespace {

const Tensor& optional(const Execution& e, std::size_t i) {
  static const Tensor none;
  return e.has(i) ? e.inputs[i] : none;
}

// Inputs `scale` and `zero` describe a quantized tensor of the type: one scale, and one zero point or none.
void check_parameters(const Inference& io, std::size_t scale, std::size_t zero, DType type) {
  check_scale_shape("input " + std::to_string(scale), io.input(scale), 1);
  if (io.has(zero)) check_zero_point("input " + std::to_string(zero), io.input(zero), type, 1);
}

std::int32_t byte_at(const Tensor& t, std::int64_t i) {
  return t.type() == DType::u8 ? std::int32_t{t.data<std::uint8_t>()[i]} : std::int32_t{t.data<std::int8_t>()[i]};
}

// The value of each of the 256 bytes of a quantized tensor.
using Values = std::array<float, 256>;
Values byte_values(DType type, float scale, std::int32_t zero) {
  Values values;
  for (std::int32_t i = 0; i < 256; ++i) {
    const std::int32_t q = type == DType::u8 ? i : std::int32_t{static_cast<std::int8_t>(i)};
    values[static_cast<std::size_t>(i)] = static_cast<float>(q - zero) * scale;
  }
  return values;
}

const std::uint8_t* raw_bytes(const Tensor& t) { return static_cast<const std::uint8_t*>(t.raw()); }

// fma(a, b, c) for a small integer a: the product is exact in double, and the sum of operands of these magnitudes too.
float multiply_add(std::int32_t a, float b, float c) {
  return static_cast<float>(static_cast<double>(a) * static_cast<double>(b) + static_cast<double>(c));
}

// How two bytes become one. The order of the arithmetic is ONNX Runtime's, since a last bit decides which of two
// results a tie becomes, and quantized graphs pass that on.
struct PairParameters {
  float a_scale, b_scale, y_scale;
  std::int32_t a_zero, b_zero, y_zero;
};

// The sum's arithmetic: engine/quantized_node.h.
class QuantizedSum {
 public:
  QuantizedSum(const PairParameters& p)
      : sum_(byte_sum(p.a_scale, p.a_zero, p.b_scale, p.b_zero, p.y_scale, p.y_zero, false)) {}
  float operator()(std::int32_t a, std::int32_t b) const {
    return multiply_add(a, sum_.a_ratio, multiply_add(b, sum_.b_ratio, sum_.offset));
  }
  kernels::ByteSum as_kernel(bool is_signed) const { return {sum_.a_ratio, sum_.b_ratio, sum_.offset, is_signed}; }

 private:
  kernels::ByteSum sum_;
};

// The product's arithmetic: engine/quantized_node.h.
class QuantizedProduct {
 public:
  QuantizedProduct(const PairParameters& p)
      : product_{p.a_scale * p.b_scale / p.y_scale, p.a_zero, p.b_zero, p.y_zero, false} {}
  float operator()(std::int32_t a, std::int32_t b) const { return product_.at(a, b); }

 private:
  ByteProduct product_;
};

// Sums where each operand has a whole row of its own in the result's; false: there is none.
bool add_rows(const Execution& e, const QuantizedSum& sum) {
  const Tensor& y = e.outputs[0];
  const LoopNest<2> nest(y.shape(), std::array<const Shape*, 2>{&e.inputs[0].shape(), &e.inputs[3].shape()});
  if (y.size() == 0 || nest.row_stride(0) != 1 || nest.row_stride(1) != 1) return false;
  auto* q = static_cast<std::uint8_t*>(y.raw());
  nest.for_each_row([&](const auto& at) {
    e.kernels->add_bytes_row(raw_bytes(e.inputs[0]) + at[0], raw_bytes(e.inputs[3]) + at[1], nest.row(),
                             sum.as_kernel(y.type() == DType::i8), q);
    q += nest.row();
  });
  return true;
}

// A, scale, zero point, B, scale, zero point, scale and zero point of the result.
template <class Fn>
class QLinearBinary : public Operator {
 public:
  QLinearBinary(const Graph& graph, const Node& node) {
    check_inputs(node, 7, 8);
    for (std::size_t i : {1u, 4u, 6u}) check_constant_scales(graph, node, i);
  }
  void infer(Inference& io) const override {
    check_type(io, 0, ByteTypes{});
    check_same_type(io, 0, 3);
    const DType type = io.input(0).type();
    check_parameters(io, 1, 2, type);
    check_parameters(io, 4, 5, type);
    check_parameters(io, 6, 7, type);
    io.output(0, type, broadcast(io.input(0).shape(), io.input(3).shape()));
  }
  void compute(const Execution& e) const override {
    for (std::size_t i : {1u, 4u, 6u}) check_scales(e.inputs[i]);
    const Fn fn({scale_at(e.inputs[1], 0), scale_at(e.inputs[4], 0), scale_at(e.inputs[6], 0),
                 zero_point_at(optional(e, 2), 0), zero_point_at(optional(e, 5), 0), zero_point_at(optional(e, 7), 0)});
    if constexpr (std::is_same_v<Fn, QuantizedSum>) {
      if (add_rows(e, fn)) return;
    }
    visit_in(ByteTypes{}, e.outputs[0].type(), [&](auto q) {
      using Q = decltype(q);
      zip<Q, Q>(e.inputs[0], e.inputs[3], e.outputs[0], [&](Q a, Q b) { return saturated<Q>(fn(a, b), 0); });
    });
  }
};

// X, scale, zero point, scale and zero point of the result: a function of one byte is a table of 256.
class QLinearUnary : public Operator {
 public:
  using Function = void (*)(const kernels::Table& kernels, float parameter, Values& x);

  QLinearUnary(const Graph& graph, const Node& node, Function function)
      : function_(function), parameter_(node.attributes.real("alpha", 0.01f)) {
    check_inputs(node, 4, 5);
    for (std::size_t i : {1u, 3u}) check_constant_scales(graph, node, i);
  }
  void infer(Inference& io) const override {
    check_type(io, 0, ByteTypes{});
    check_parameters(io, 1, 2, io.input(0).type());
    check_parameters(io, 3, 4, io.input(0).type());
    io.output(0, io.input(0).type(), io.input(0).shape());
  }
  void compute(const Execution& e) const override {
    check_scales(e.inputs[1]);
    check_scales(e.inputs[3]);
    const Tensor& x = e.inputs[0];
    Values values = byte_values(x.type(), scale_at(e.inputs[1], 0), zero_point_at(optional(e, 2), 0));
    function_(*e.kernels, parameter_, values);
    const float scale = scale_at(e.inputs[3], 0);
    const std::int32_t zero = zero_point_at(optional(e, 4), 0);
    visit_in(ByteTypes{}, x.type(), [&](auto q) {
      using Q = decltype(q);
      std::array<Q, 256> table;
      std::transform(values.begin(), values.end(), table.begin(),
                     [=](float v) { return quantized<Q>(v, scale, zero); });
      for (std::int64_t i = 0; i < x.size(); ++i) e.outputs[0].data<Q>()[i] = table[raw_bytes(x)[i]];
    });
  }

 private:
  Function function_;
  float parameter_;
};

// 1 / (1 + exp(-x)) = (1 + tanh(x / 2)) / 2.
void sigmoid(const kernels::Table& kernels, float, Values& x) {
  for (float& v : x) v *= 0.5f;
  kernels.tanh_row(x.data(), x.size(), x.data());
  for (float& v : x) v = 0.5f * (1.0f + v);
}

void leaky_relu(const kernels::Table&, float alpha, Values& x) {
  for (float& v : x) v = v < 0 ? alpha * v : v;
}

StepFactory unary(QLinearUnary::Function function) {
  return [=](const Graph& graph, const Node& node) { return std::make_unique<QLinearUnary>(graph, node, function); };
}

// X, scale, zero point, scale and zero point of the result. Before opset 13 (attribute `opset`) all axes from `axis` on
// are one row.
class QLinearSoftmax : public Operator {
 public:
  QLinearSoftmax(const Graph& graph, const Node& node)
      : flattens_(node.attributes.integer("opset", 13) < 13),
        axis_(node.attributes.integer("axis", flattens_ ? 1 : -1)) {
    check_inputs(node, 4, 5);
    for (std::size_t i : {1u, 3u}) check_constant_scales(graph, node, i);
  }
  void infer(Inference& io) const override {
    check_type(io, 0, ByteTypes{});
    check_parameters(io, 1, 2, io.input(0).type());
    check_parameters(io, 3, 4, io.input(0).type());
    normalized_axis(axis_, io.input(0).rank());
    io.output(0, io.input(0).type(), io.input(0).shape());
  }
  void compute(const Execution& e) const override {
    check_scales(e.inputs[1]);
    check_scales(e.inputs[3]);
    const Tensor& x = e.inputs[0];
    if (x.size() == 0) return;
    const std::size_t axis = normalized_axis(axis_, x.rank());
    const std::int64_t inner = strides_of(x.shape())[axis];
    const std::int64_t n = flattens_ ? x.dim(axis) * inner : x.dim(axis);
    const ByteSoftmax softmax(scale_at(e.inputs[1], 0), static_cast<std::size_t>(n), scale_at(e.inputs[3], 0),
                              byte_range(x.type(), optional(e, 4)));
    const std::int64_t stride = flattens_ ? 1 : inner;
    auto* y = static_cast<std::uint8_t*>(e.outputs[0].raw());
    for (std::int64_t i = 0; i < x.size() / n; ++i) {
      const std::int64_t begin = i / stride * n * stride + i % stride;
      softmax.run(raw_bytes(x) + begin, static_cast<std::size_t>(n), stride, y + begin);
    }
  }

 private:
  bool flattens_;
  std::int64_t axis_;
};

// Scale and zero point of the result, then tensor, scale and zero point of each part.
class QLinearConcat : public Operator {
 public:
  QLinearConcat(const Graph& graph, const Node& node) : axis_(node.attributes.integer("axis")) {
    check_inputs(node, 5, kAnyNumber);
    if (node.inputs.size() % 3 != 2) {
      throw Error("QLinearConcat needs 2 inputs and 3 for each part, found " + std::to_string(node.inputs.size()));
    }
    check_constant_scales(graph, node, 0);
    for (std::size_t i = 3; i < node.inputs.size(); i += 3) check_constant_scales(graph, node, i);
  }
  void infer(Inference& io) const override {
    check_type(io, 1, ByteTypes{});
    const DType type = io.input(1).type();
    check_parameters(io, 0, 1, type);
    Shape shape = io.input(2).shape();
    const std::size_t axis = normalized_axis(axis_, shape.size());
    shape[axis] = 0;
    for (std::size_t i = 2; i < io.input_count(); i += 3) {
      check_same_type(io, 1, i);
      check_parameters(io, i + 1, i + 2, type);
      Shape part = io.input(i).shape();
      if (part.size() == shape.size()) std::swap(part[axis], shape[axis]);
      // Now the part has the sum so far, and the result the part's own size.
      if (part.size() != shape.size()) throw Error("cannot join " + to_string(part) + " to " + to_string(shape));
      std::int64_t sum;
      if (__builtin_add_overflow(part[axis], shape[axis], &sum)) throw Error("a dimension overflows");
      shape[axis] = part[axis] = sum;
      if (part != shape) throw Error("cannot join " + to_string(part) + " to " + to_string(shape));
    }
    io.output(0, type, std::move(shape));
  }
  void compute(const Execution& e) const override {
    check_scales(e.inputs[0]);
    const Tensor& y = e.outputs[0];
    const std::size_t axis = normalized_axis(axis_, y.rank());
    if (y.size() == 0) return;
    const std::int64_t inner = strides_of(y.shape())[axis];
    std::int64_t at = 0;
    for (std::size_t i = 2; i < e.inputs.size(); i += 3) {
      check_scales(e.inputs[i + 1]);
      const std::int64_t n = e.inputs[i].dim(axis) * inner;
      visit_in(ByteTypes{}, y.type(), [&](auto q) { requantize<decltype(q)>(e, i, n, y.dim(axis) * inner, at); });
      at += n;
    }
  }

 private:
  // Runs of n elements of the part go to `pitch` elements apart, from `at` on.
  template <class Q>
  static void requantize(const Execution& e, std::size_t part, std::int64_t n, std::int64_t pitch, std::int64_t at) {
    const Tensor& x = e.inputs[part];
    if (n == 0) return;
    const Values values =
        byte_values(x.type(), scale_at(e.inputs[part + 1], 0), zero_point_at(optional(e, part + 2), 0));
    std::array<Q, 256> table;
    std::transform(values.begin(), values.end(), table.begin(),
                   [&](float v) { return quantized<Q>(v, scale_at(e.inputs[0], 0), zero_point_at(e.inputs[1], 0)); });
    for (std::int64_t i = 0; i < x.size(); ++i) {
      e.outputs[0].data<Q>()[i / n * pitch + at + i % n] = table[raw_bytes(x)[i]];
    }
  }

  std::int64_t axis_;
};

// Condition, X, scale, zero point, Y, scale, zero point, scale and zero point of the result.
class QLinearWhere : public Operator {
 public:
  QLinearWhere(const Graph& graph, const Node& node) {
    check_inputs(node, 9, 9);
    for (std::size_t i : {2u, 5u, 7u}) check_constant_scales(graph, node, i);
  }
  void infer(Inference& io) const override {
    check_type(io, 0, Types<bool>{});
    check_type(io, 1, ByteTypes{});
    check_same_type(io, 1, 4);
    for (std::size_t i : {2u, 5u, 7u}) check_parameters(io, i, i + 1, io.input(1).type());
    io.output(0, io.input(1).type(),
              broadcast(io.input(0).shape(), broadcast(io.input(1).shape(), io.input(4).shape())));
  }
  void compute(const Execution& e) const override {
    for (std::size_t i : {2u, 5u, 7u}) check_scales(e.inputs[i]);
    visit_in(ByteTypes{}, e.outputs[0].type(), [&](auto q) { select<decltype(q)>(e); });
  }

 private:
  template <class Q>
  static void select(const Execution& e) {
    const Tensor& y = e.outputs[0];
    const Tensor& a = e.inputs[1];
    const Tensor& b = e.inputs[4];
    const auto strides = [&](const Tensor& t) { return broadcast_strides(t.shape(), y.shape()); };
    const LoopNest<3> nest(y.shape(), {strides(e.inputs[0]), strides(a), strides(b)});
    Q* to = y.data<Q>();
    nest.for_each_row([&](const auto& at) {
      for (std::size_t i = 0; i < nest.row(); ++i) {
        const auto place = [&](std::size_t operand) {
          return at[operand] + static_cast<std::int64_t>(i) * nest.row_stride(operand);
        };
        const bool first = e.inputs[0].data<bool>()[place(0)];
        const std::size_t scale = first ? 2 : 5;
        const std::int32_t q = first ? byte_at(a, place(1)) : byte_at(b, place(2));
        const float x = static_cast<float>(q - zero_point_at(e.inputs[scale + 1], 0)) * scale_at(e.inputs[scale], 0);
        *to++ = quantized<Q>(x, scale_at(e.inputs[7], 0), zero_point_at(e.inputs[8], 0));
      }
    });
  }
};

}  // namespace

void register_qlinear(Registry& r) {
  r.add(kMicrosoft, "QLinearAdd", 1, make<QLinearBinary<QuantizedSum>>());
  r.add(kMicrosoft, "QLinearMul", 1, make<QLinearBinary<QuantizedProduct>>());
  r.add(kMicrosoft, "QLinearSigmoid", 1, unary(sigmoid));
  r.add(kMicrosoft, "QLinearLeakyRelu", 1, unary(leaky_relu));
  r.add(kMicrosoft, "QLinearSoftmax", 1, make<QLinearSoftmax>());
  r.add(kMicrosoft, "QLinearConcat", 1, make<QLinearConcat>());
  r.add(kMicrosoft, "QLinearWhere", 1, make<QLinearWhere>());
}

}  // namespace sesame::engine
