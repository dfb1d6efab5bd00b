// MatMul, and ONNX Runtime's FusedMatMul: transposed operands and a factor.
#include "engine/operators/matrix_product.h"
#include "engine/operators/registry.h"

namespace sesame::engine {

namespace {

using ProductTypes = Types<float, Half, double, std::int32_t, std::int64_t>;

class MatMul : public MatrixProduct {
 public:
  explicit MatMul(const Node& node)
      : left_{flag(node, "transA"), flag(node, "transBatchA")},
        right_{flag(node, "transB"), flag(node, "transBatchB")},
        alpha_(node.attributes.real("alpha", 1.0f)) {
    check_inputs(node, 2, 2);
  }
  void infer(Inference& io) const override {
    check_type(io, 0, ProductTypes{});
    check_same_type(io, 0, 1);
    if (alpha_ != 1.0f) check_type(io, 0, Floats{});
    const Tensor inputs[] = {io.input(0), io.input(1)};
    io.output(0, inputs[0].type(), product_shape(inputs[0], left(inputs), inputs[1], right(inputs)));
  }

 protected:
  Matrices left(std::span<const Tensor> inputs) const override { return left_matrices(inputs[0], left_); }
  Matrices right(std::span<const Tensor> inputs) const override { return right_matrices(inputs[1], right_); }
  void finish(const Execution&, std::int64_t, std::int64_t rows, std::int64_t columns, float* c) const override {
    scale(rows * columns, c);
  }
  void finish(const Execution&, std::int64_t, std::int64_t rows, std::int64_t columns, double* c) const override {
    scale(rows * columns, c);
  }

 private:
  // Only FusedMatMul has these attributes.
  static bool flag(const Node& node, std::string_view name) {
    return node.domain == kMicrosoft && node.attributes.integer(name, 0) != 0;
  }
  template <class T>
  void scale(std::int64_t n, T* c) const {
    if (alpha_ == 1.0f) return;
    for (std::int64_t i = 0; i < n; ++i) c[i] *= static_cast<T>(alpha_);
  }

  Transposition left_;
  Transposition right_;
  float alpha_;
};

}  // namespace

void register_matmul(Registry& r) {
  r.add("MatMul", 1, make<MatMul>());
  r.add(kMicrosoft, "FusedMatMul", 1, make<MatMul>());
  r.add(kMicrosoft, "TransposeMatMul", 1, make<MatMul>());
}

}  // namespace sesame::engine
