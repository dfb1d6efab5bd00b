// Gemm: alpha A B + beta C, and ONNX Runtime's FusedGemm, which adds an activation.
#include <cmath>

#include "engine/fused_activation.h"
#include "engine/operators/loops.h"
#include "engine/operators/matrix_product.h"
#include "engine/operators/registry.h"

namespace sesame::engine {

namespace {

class Gemm : public MatrixProduct {
 public:
  explicit Gemm(const Node& node)
      : left_{node.attributes.integer("transA", 0) != 0},
        right_{node.attributes.integer("transB", 0) != 0},
        alpha_(node.attributes.real("alpha", 1.0f)),
        beta_(node.attributes.real("beta", 1.0f)) {
    // C is optional from opset 11 on.
    check_inputs(node, node.version >= 11 || node.domain == kMicrosoft ? 2 : 3, 3);
  }
  void infer(Inference& io) const override {
    check_type(io, 0, Floats{});
    check_same_type(io, 0, 1);
    const Tensor inputs[] = {io.input(0), io.input(1)};
    for (const Tensor& t : inputs) {
      if (t.rank() != 2) throw Error("an operand has shape " + to_string(t.shape()) + ", expected a matrix");
    }
    Shape shape = product_shape(inputs[0], left(inputs), inputs[1], right(inputs));
    if (io.has(2)) {
      check_same_type(io, 0, 2);
      if (!broadcasts_to(io.input(2).shape(), shape)) {
        throw Error("C of shape " + to_string(io.input(2).shape()) + " does not broadcast to " + to_string(shape));
      }
    }
    io.output(0, inputs[0].type(), std::move(shape));
  }

 protected:
  Matrices left(std::span<const Tensor> inputs) const override { return left_matrices(inputs[0], left_); }
  Matrices right(std::span<const Tensor> inputs) const override { return right_matrices(inputs[1], right_); }

  void finish(const Execution& e, std::int64_t first, std::int64_t rows, std::int64_t columns,
              float* c) const override {
    if (e.inputs[0].type() == DType::f16) {
      add<Half>(e, first, rows, columns, c);
    } else {
      add<float>(e, first, rows, columns, c);
    }
  }
  void finish(const Execution& e, std::int64_t first, std::int64_t rows, std::int64_t columns,
              double* c) const override {
    add<double>(e, first, rows, columns, c);
  }

 private:
  template <class T>
  void add(const Execution& e, std::int64_t first, std::int64_t rows, std::int64_t columns, Compute<T>* c) const {
    using C = Compute<T>;
    const auto alpha = static_cast<C>(alpha_);
    const auto beta = static_cast<C>(beta_);
    if (alpha_ != 1.0f) {
      for (std::int64_t i = 0; i < rows * columns; ++i) c[i] *= alpha;
    }
    if (!e.has(2)) return;
    const Shape strides = broadcast_strides(e.inputs[2].shape(), e.outputs[0].shape());
    for (std::int64_t m = 0; m < rows; ++m) {
      const T* bias = e.inputs[2].data<T>() + (first + m) * strides[0];
      for (std::int64_t n = 0; n < columns; ++n) c[m * columns + n] += beta * load(bias[n * strides[1]]);
    }
  }

  Transposition left_;
  Transposition right_;
  float alpha_;
  float beta_;
};

class FusedGemm : public Gemm {
 public:
  FusedGemm(const Graph& graph, const Node& node) : Gemm(node) {
    const Node activation = activation_of(node);
    if (activation.op.empty()) return;
    if (!is_fusable_activation(activation)) throw Error("activation '" + activation.op + "' is not supported");
    Node applied = activation;
    applied.inputs = {0};  // counted, not read
    activation_ = make_step(graph, applied);
  }
  void infer(Inference& io) const override {
    Gemm::infer(io);
    check_type(io, 0, Types<float, Half>{});
  }

 protected:
  void finish(const Execution& e, std::int64_t first, std::int64_t rows, std::int64_t columns,
              float* c) const override {
    Gemm::finish(e, first, rows, columns, c);
    if (activation_ == nullptr) return;
    const Tensor block = Tensor::view(DType::f32, {rows, columns}, c);  // in place: each element depends on itself
    const Execution one{{&block, 1}, {&block, 1}, e.kernels, e.options, nullptr, {}};
    activation_->run(one, 0, 0, 0);
  }

 private:
  std::unique_ptr<Step> activation_;
};

}  // namespace

void register_gemm(Registry& r) {
  r.add("Gemm", 7, make<Gemm>());
  r.add(kMicrosoft, "FusedGemm", 1, make<FusedGemm>());
}

}  // namespace sesame::engine
