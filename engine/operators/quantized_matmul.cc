// Products of quantized matrices: MatMulInteger and QLinearMatMul, and ONNX Runtime's MatMulIntegerToFloat,
// DynamicQuantizeMatMul and QGemm.
#include <algorithm>

#include "engine/operators/integer_math.h"
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
  void finish(const Execution& e, std::int64_t row, std::int64_t columns, const kernels::SumsRow& sums) const override {
    std::int32_t* y = e.outputs[0].data<std::int32_t>() + row * columns;
    for (std::int64_t n = 0; n < columns; ++n) {
      const std::int32_t zero = sums.weight_zero == nullptr ? 0 : sums.weight_zero[n];
      y[n] = wrapping_sub(sums.sums[n], wrapping_mul(sums.row_sum, zero));
    }
  }
};

// Row `row` of the output, quantized as its zero point says.
void write_bytes(const Execution& e, std::int64_t row, std::int64_t columns, const kernels::SumsRow& sums,
                 const Tensor& zero_point) {
  const Tensor& y = e.outputs[0];
  e.kernels->requantize_sums_row(sums, static_cast<std::size_t>(columns), byte_range(y.type(), zero_point),
                                 static_cast<std::uint8_t*>(y.raw()) + row * columns);
}

// y[n] = acc[n] * (scale_a * scale_b[n]) + bias[n].
void write_floats(const Execution& e, std::int64_t row, std::int64_t columns, const kernels::SumsRow& sums,
                  const Tensor& bias) {
  e.kernels->scale_sums_row(sums, bias ? bias.data<float>() : nullptr, static_cast<std::size_t>(columns),
                            e.outputs[0].data<float>() + row * columns);
}

void fill_factors(float a_scale, const Tensor& b_scale, std::int64_t columns, float* factor) {
  for (std::int64_t n = 0; n < columns; ++n) factor[n] = a_scale * scale_at(b_scale, n);
}

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
  void factors(const Execution& e, std::int64_t columns, float* factor) const override {
    const float a_scale = scale_at(e.inputs[1], 0), y_scale = scale_at(e.inputs[6], 0);
    for (std::int64_t n = 0; n < columns; ++n) factor[n] = a_scale * scale_at(e.inputs[4], n) / y_scale;
  }
  void finish(const Execution& e, std::int64_t row, std::int64_t columns, const kernels::SumsRow& sums) const override {
    write_bytes(e, row, columns, sums, e.inputs[7]);
  }

 private:
  static constexpr std::size_t kScales[] = {1, 4, 6};
};

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
  void factors(const Execution& e, std::int64_t columns, float* factor) const override {
    fill_factors(scale_at(e.inputs[2], 0), e.inputs[3], columns, factor);
  }
  void finish(const Execution& e, std::int64_t row, std::int64_t columns, const kernels::SumsRow& sums) const override {
    write_floats(e, row, columns, sums, optional(e.inputs, 6));
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
    const auto n = static_cast<std::size_t>(x.size());
    const DynamicParameters p = dynamic_parameters(e.kernels->range_row(x.data<float>(), n));
    *reinterpret_cast<float*>(e.scratch) = p.scale;
    *reinterpret_cast<std::uint8_t*>(e.scratch + kZero) = p.zero_point;
    e.kernels->quantize_affine_row(x.data<float>(), n, p.scale, {false, p.zero_point},
                                   reinterpret_cast<std::uint8_t*>(e.scratch + kHeader));
  }
  void check_values(const Execution& e) const override { check_scales(e.inputs[2]); }
  void factors(const Execution& e, std::int64_t columns, float* factor) const override {
    fill_factors(*reinterpret_cast<const float*>(e.scratch), e.inputs[2], columns, factor);
  }
  void finish(const Execution& e, std::int64_t row, std::int64_t columns, const kernels::SumsRow& sums) const override {
    write_floats(e, row, columns, sums, optional(e.inputs, 4));
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
  // alpha * scale_a * scale_b[n] / scale_y.
  void factors(const Execution& e, std::int64_t columns, float* factor) const override {
    const float scale = alpha_ * scale_at(e.inputs[1], 0), y_scale = e.has(8) ? scale_at(e.inputs[7], 0) : 1.0f;
    for (std::int64_t n = 0; n < columns; ++n) factor[n] = scale * scale_at(e.inputs[4], n) / y_scale;
  }
  void add_integers(const Execution& e, std::int64_t row, std::int64_t columns, std::int32_t* sums) const override {
    if (!e.has(6)) return;
    const Shape strides = broadcast_strides(e.inputs[6].shape(), e.outputs[0].shape());
    const std::int32_t* c = e.inputs[6].data<std::int32_t>() + row * strides[0];
    for (std::int64_t n = 0; n < columns; ++n) sums[n] = wrapping_add(sums[n], c[n * strides[1]]);
  }
  void finish(const Execution& e, std::int64_t row, std::int64_t columns, const kernels::SumsRow& sums) const override {
    e.has(8) ? write_bytes(e, row, columns, sums, e.inputs[8]) : write_floats(e, row, columns, sums, Tensor());
  }

 private:
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
