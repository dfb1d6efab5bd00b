// Batched matrix products: what MatMul, Gemm and their fused kin share.
//
// Every element of a float32 product is one chain of fused multiply-adds in ascending k (kernels/table.h); float16 is
// computed as float32; float64 is summed in ascending k; integers wrap around.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/operators/common.h"

namespace sesame::engine {

// A tensor as a batch of matrices read through strides, in elements.
struct Matrices {
  Shape batch;
  Shape batch_strides;
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t row_stride;
  std::int64_t column_stride;
};

struct Transposition {
  bool matrix = false;  // the last two axes change places
  bool batch = false;   // the first axis is the rows (before `matrix`) and the batch follows it
};

// A vector on the left is a row, on the right a column. Throws Error for a scalar.
Matrices left_matrices(const Tensor& a, Transposition t = {});
Matrices right_matrices(const Tensor& b, Transposition t = {});

// A product of two batches, broadcast against each other, cut into blocks of rows. Where one B serves the whole batch,
// the rows of all matrices of A are the rows of one product.
struct ProductPlan {
  ProductPlan(Matrices left, Matrices right);

  Matrices a, b;
  Shape batch;
  std::int64_t batches, b_batches;
  std::int64_t M, N, K;
  std::int64_t blocks;  // of rows, a matrix

  static constexpr std::int64_t kRows = 64;  // of a block: a few tiles of the widest kernel
  bool is_empty() const { return batches * M * N == 0; }
  // Offsets of the matrices that the batch-th product reads, and the number of its B among all of them.
  std::int64_t a_offset(std::int64_t batch_index) const;
  std::int64_t b_offset(std::int64_t batch_index) const;
  std::int64_t b_number(std::int64_t batch_index) const;
  // The offset of the number-th B.
  std::int64_t b_offset_of(std::int64_t number) const;
};

// The product's shape, vectors' dimensions dropped. Throws Error: "inner dimensions 48 and 47 differ".
Shape product_shape(const Tensor& a, const Matrices& left, const Tensor& b, const Matrices& right);

// Two phases: B is packed, one item a group of columns; then blocks of rows are multiplied.
class MatrixProduct : public Step {
 public:
  std::size_t scratch_bytes(std::span<const Tensor> inputs, std::span<const Tensor> outputs) const final;
  std::size_t worker_scratch_bytes(std::span<const Tensor> inputs, std::span<const Tensor> outputs) const final;
  std::size_t phases() const final { return 2; }
  std::size_t items(const Execution& e, std::size_t phase) const final;
  void run(const Execution& e, std::size_t phase, std::size_t item, int worker) const final;

 protected:
  virtual Matrices left(std::span<const Tensor> inputs) const = 0;
  virtual Matrices right(std::span<const Tensor> inputs) const = 0;
  // What follows the product in rows [first, first + rows) of the output, each of `columns` elements.
  virtual void finish(const Execution&, std::int64_t, std::int64_t, std::int64_t, float*) const {}
  virtual void finish(const Execution&, std::int64_t, std::int64_t, std::int64_t, double*) const {}

 private:
  ProductPlan plan(std::span<const Tensor> inputs) const { return {left(inputs), right(inputs)}; }
  template <class T>
  void multiply_floats(const Execution& e, const ProductPlan& p, std::int64_t batch, std::int64_t row,
                       std::int64_t rows, int worker) const;
  template <class T>
  void multiply_plainly(const Execution& e, const ProductPlan& p, std::int64_t batch, std::int64_t row,
                        std::int64_t rows) const;
};

}  // namespace sesame::engine
