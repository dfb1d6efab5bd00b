// Products of quantized matrices: MatMulInteger and QLinearMatMul, and ONNX Runtime's MatMulIntegerToFloat,
// DynamicQuantizeMatMul and QGemm.
#include <algorithm>

#include "engine/operators/integer_product.h"
#include "engine/operators/loops.h"
#include "engine/operators/quantization.h"
#include "engine/operators/registry.h"

namespace sesame::engine {

namespace {

Tensor optional(std::span<const Tensor> inputs, std::size_t i) { return i < inputs.size() ? inputs[i] : Tensor(); }

std::vector<Tensor> described_inputs(const Inference& io) {
  std::vector<Tensor> inputs(io.input_count());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (io.has(i)) inputs[i] = io.input(i);
  }
  return inputs;
}

// A, B, zero point of A, zero points of B.
class MatMulInteger : public IntegerProduct {
 public:
  explicit MatMulInteger(const Node& node) { check_inputs(node, 2, 4); }
  void infer(Inference& io) const override {
    io.output(0, DType::i32, check_operands(operands(described_inputs(io), nullptr)));
  }

 protected:
  IntegerOperands operands(std::span<const Tensor> inputs, std::byte*) const override {
    return {inputs[0], optional(inputs, 2), inputs[1], optional(inputs, 3), {}, {}};
  }
  void finish(const Execution& e, std::int64_t first, std::int64_t rows, std::int64_t columns,
              const std::int32_t* acc) const override {
    std::copy_n(acc, rows * columns, e.outputs[0].data<std::int32_t>() + first * columns);
  }
};

// y = round(acc * (scale_a * scale_b[n] / scale_y)) + zero point.
class QLinearMatMul : public IntegerProduct {
 public:
  QLinearMatMul(const Graph& graph, const Node& node) {
    check_inputs(node, 8, 8);
    for (std::size_t i : kScales) check_constant_scales(graph, node, i);
  }
  void infer(Inference& io) const override {
    const auto inputs = described_inputs(io);
    const IntegerOperands o = operands(inputs, nullptr);
    Shape shape = check_operands(o);
    check_scale_shape("A's scale", inputs[1], 1);
    check_scale_shape("B's scale", inputs[4], right_matrices(o.b).columns);
    check_scale_shape("the output's scale", inputs[6], 1);
    check_type("the output's zero point", inputs[7].type(), ByteTypes{});
    check_zero_point("the output's zero point", inputs[7], inputs[7].type(), 1);
    io.output(0, inputs[7].type(), std::move(shape));
  }

 protected:
  IntegerOperands operands(std::span<const Tensor> inputs, std::byte*) const override {
    return {inputs[0], inputs[2], inputs[3], inputs[5], {}, {}};
  }
  void check_values(const Execution& e) const override {
    for (std::size_t i : kScales) check_scales(e.inputs[i]);
  }
  void finish(const Execution& e, std::int64_t first, std::int64_t rows, std::int64_t columns,
              const std::int32_t* acc) const override {
    const float a_scale = scale_at(e.inputs[1], 0);
    const float y_scale = scale_at(e.inputs[6], 0);
    const std::int32_t zero = zero_point_at(e.inputs[7], 0);
    visit_in(ByteTypes{}, e.outputs[0].type(), [&](auto q) {
      using Q = decltype(q);
      Q* y = e.outputs[0].data<Q>() + first * columns;
      for (std::int64_t i = 0; i < rows * columns; ++i) {
        const float factor = a_scale * scale_at(e.inputs[4], i % columns) / y_scale;
        y[i] = saturated<Q>(static_cast<float>(acc[i]) * factor, zero);
      }
    });
  }

 private:
  static constexpr std::size_t kScales[] = {1, 4, 6};
};

// y[i] = acc[i] * (scale_a * scale_b[n]) + bias[n].
void scale_to_floats(const std::int32_t* acc, std::int64_t rows, std::int64_t columns, float a_scale,
                     const Tensor& b_scale, const Tensor& bias, float* y) {
  for (std::int64_t m = 0; m < rows; ++m) {
    for (std::int64_t n = 0; n < columns; ++n) {
      const float product = static_cast<float>(acc[m * columns + n]) * (a_scale * scale_at(b_scale, n));
      y[m * columns + n] = bias ? product + bias.data<float>()[n] : product;
    }
  }
}

void check_bias(const Tensor& bias, std::int64_t columns) {
  if (!bias) return;
  check_type("the bias", bias.type(), Types<float>{});
  check_shape("the bias", bias.shape(), {columns});
}

// A, B, scale of A, scales of B, zero point of A, zero points of B, bias.
class MatMulIntegerToFloat : public IntegerProduct {
 public:
  MatMulIntegerToFloat(const Graph& graph, const Node& node) {
    check_inputs(node, 4, 7);
    check_constant_scales(graph, node, 2);
    check_constant_scales(graph, node, 3);
  }
  void infer(Inference& io) const override {
    const auto inputs = described_inputs(io);
    const IntegerOperands o = operands(inputs, nullptr);
    Shape shape = check_operands(o);
    check_scale_shape("A's scale", inputs[2], 1);
    check_scale_shape("B's scale", inputs[3], right_matrices(o.b).columns);
    check_bias(optional(inputs, 6), right_matrices(o.b).columns);
    io.output(0, DType::f32, std::move(shape));
  }

 protected:
  IntegerOperands operands(std::span<const Tensor> inputs, std::byte*) const override {
    return {inputs[0], optional(inputs, 4), inputs[1], optional(inputs, 5), {}, {}};
  }
  void check_values(const Execution& e) const override {
    check_scales(e.inputs[2]);
    check_scales(e.inputs[3]);
  }
  void finish(const Execution& e, std::int64_t first, std::int64_t rows, std::int64_t columns,
              const std::int32_t* acc) const override {
    scale_to_floats(acc, rows, columns, scale_at(e.inputs[2], 0), e.inputs[3], optional(e.inputs, 6),
                    e.outputs[0].data<float>() + first * columns);
  }
};

// A (floats), B, scales of B, zero points of B, bias. A is quantized as DynamicQuantizeLinear does it.
class DynamicQuantizeMatMul : public IntegerProduct {
 public:
  DynamicQuantizeMatMul(const Graph& graph, const Node& node) {
    check_inputs(node, 3, 5);
    check_constant_scales(graph, node, 2);
  }
  void infer(Inference& io) const override {
    check_type(io, 0, Types<float>{});
    const auto inputs = described_inputs(io);
    const IntegerOperands o = operands(inputs, nullptr);
    Shape shape = check_operands(o);
    check_scale_shape("B's scale", inputs[2], right_matrices(o.b).columns);
    check_bias(optional(inputs, 4), right_matrices(o.b).columns);
    io.output(0, DType::f32, std::move(shape));
  }

 protected:
  IntegerOperands operands(std::span<const Tensor> inputs, std::byte* scratch) const override {
    const Tensor a = Tensor::view(DType::u8, inputs[0].shape(), scratch == nullptr ? nullptr : scratch + kHeader);
    const Tensor zero = scratch == nullptr ? Tensor(DType::u8, {}) : Tensor::view(DType::u8, {}, scratch + kZero);
    return {a, zero, inputs[1], optional(inputs, 3), {}, {}};
  }
  std::size_t left_bytes(std::span<const Tensor> inputs) const override {
    return kHeader + static_cast<std::size_t>(inputs[0].size());
  }
  void prepare_left(const Execution& e) const override {
    const Tensor& x = e.inputs[0];
    const DynamicParameters p = dynamic_parameters(x.data<float>(), x.size());
    *reinterpret_cast<float*>(e.scratch) = p.scale;
    *reinterpret_cast<std::uint8_t*>(e.scratch + kZero) = p.zero_point;
    std::transform(x.data<float>(), x.data<float>() + x.size(), reinterpret_cast<std::uint8_t*>(e.scratch + kHeader),
                   [p](float v) { return quantized<std::uint8_t>(v, p.scale, p.zero_point); });
  }
  void check_values(const Execution& e) const override { check_scales(e.inputs[2]); }
  void finish(const Execution& e, std::int64_t first, std::int64_t rows, std::int64_t columns,
              const std::int32_t* acc) const override {
    scale_to_floats(acc, rows, columns, *reinterpret_cast<const float*>(e.scratch), e.inputs[2], optional(e.inputs, 4),
                    e.outputs[0].data<float>() + first * columns);
  }

 private:
  // In scratch: the scale, the zero point, then the quantized A.
  static constexpr std::size_t kZero = 4;
  static constexpr std::size_t kHeader = 64;
};

// A, scale, zero point, B, scales, zero points, C (int32), scale and zero point of y. Without the latter y is float.
class QGemm : public IntegerProduct {
 public:
  QGemm(const Graph& graph, const Node& node)
      : a_{node.attributes.integer("transA", 0) != 0},
        b_{node.attributes.integer("transB", 0) != 0},
        alpha_(node.attributes.real("alpha", 1.0f)) {
    check_inputs(node, 6, 9);
    for (std::size_t i : {1u, 4u, 7u}) check_constant_scales(graph, node, i);
    if ((node.input(7) == kNoValue) != (node.input(8) == kNoValue)) {
      throw Error("QGemm needs the output's scale and zero point, or neither");
    }
  }
  void infer(Inference& io) const override {
    const auto inputs = described_inputs(io);
    const IntegerOperands o = operands(inputs, nullptr);
    if (o.a.rank() != 2 || o.b.rank() != 2) {
      throw Error("operands have shapes " + to_string(o.a.shape()) + " and " + to_string(o.b.shape()) +
                  ", expected matrices");
    }
    Shape shape = check_operands(o);
    check_scale_shape("A's scale", inputs[1], 1);
    check_scale_shape("B's scale", inputs[4], shape[1]);
    if (io.has(6)) {
      check_type("C", inputs[6].type(), Types<std::int32_t>{});
      if (!broadcasts_to(inputs[6].shape(), shape)) {
        throw Error("C of shape " + to_string(inputs[6].shape()) + " does not broadcast to " + to_string(shape));
      }
    }
    if (!io.has(8)) return io.output(0, DType::f32, std::move(shape));
    check_scale_shape("the output's scale", inputs[7], 1);
    check_type("the output's zero point", inputs[8].type(), ByteTypes{});
    check_zero_point("the output's zero point", inputs[8], inputs[8].type(), 1);
    io.output(0, inputs[8].type(), std::move(shape));
  }

 protected:
  IntegerOperands operands(std::span<const Tensor> inputs, std::byte*) const override {
    return {inputs[0], inputs[2], inputs[3], inputs[5], a_, b_};
  }
  void check_values(const Execution& e) const override {
    for (std::size_t i : {1u, 4u, 7u}) {
      if (e.has(i)) check_scales(e.inputs[i]);
    }
  }
  void finish(const Execution& e, std::int64_t first, std::int64_t rows, std::int64_t columns,
              const std::int32_t* acc) const override {
    if (e.has(8)) {
      const std::int32_t zero = zero_point_at(e.inputs[8], 0);
      const float y_scale = scale_at(e.inputs[7], 0);
      visit_in(ByteTypes{}, e.outputs[0].type(), [&](auto q) {
        using Q = decltype(q);
        write<Q>(e, first, rows, columns, acc, y_scale, [zero](float v) { return saturated<Q>(v, zero); });
      });
    } else {
      write<float>(e, first, rows, columns, acc, 1.0f, [](float v) { return v; });
    }
  }

 private:
  // y = convert((acc + C) * (alpha * scale_a * scale_b[n] / scale_y)).
  template <class T, class Convert>
  void write(const Execution& e, std::int64_t first, std::int64_t rows, std::int64_t columns, const std::int32_t* acc,
             float y_scale, Convert convert) const {
    const Shape strides = e.has(6) ? broadcast_strides(e.inputs[6].shape(), e.outputs[0].shape()) : Shape{0, 0};
    T* y = e.outputs[0].data<T>() + first * columns;
    for (std::int64_t m = 0; m < rows; ++m) {
      for (std::int64_t n = 0; n < columns; ++n) {
        std::int64_t sum = acc[m * columns + n];
        if (e.has(6)) sum += e.inputs[6].data<std::int32_t>()[(first + m) * strides[0] + n * strides[1]];
        const float factor = alpha_ * scale_at(e.inputs[1], 0) * scale_at(e.inputs[4], n) / y_scale;
        y[m * columns + n] = convert(static_cast<float>(sum) * factor);
      }
    }
  }

  Transposition a_;
  Transposition b_;
  float alpha_;
};

}  // namespace

void register_quantized_matmul(Registry& r) {
  r.add("MatMulInteger", 10, make<MatMulInteger>());
  r.add("QLinearMatMul", 10, make<QLinearMatMul>());
  r.add(kMicrosoft, "MatMulIntegerToFloat", 1, make<MatMulIntegerToFloat>());
  r.add(kMicrosoft, "DynamicQuantizeMatMul", 1, make<DynamicQuantizeMatMul>());
  r.add(kMicrosoft, "QGemm", 1, make<QGemm>());
}

}  // namespace sesame::engine
