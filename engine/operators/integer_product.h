// Exact products of quantized matrices: what MatMulInteger and its kin share.
#pragma once

#include <cstdint>

#include "engine/integer_sums.h"
#include "engine/operators/matrix_product.h"

namespace sesame::engine {

// y[i] = x[i] - zero point: one for all, or the n-th in column n of x's last axis. Undefined: 0.
void widen(const Tensor& x, const Tensor& zero_point, std::int16_t* y);

// sums[m][n] = sum_k a[m][k] b[k][n], dense; wraps around beyond int32.
void multiply_int16(const std::int16_t* a, const std::int16_t* b, std::int64_t M, std::int64_t N, std::int64_t K,
                    std::int32_t* sums);

// The operands of a product: matrices of bytes, less their zero points (undefined: 0). A has one; B one, or one a
// column.
struct IntegerOperands {
  Tensor a, a_zero;
  Tensor b, b_zero;
  Transposition a_transposition, b_transposition;
};

// Throws Error where types or shapes do not fit; gives the product's shape.
Shape check_operands(const IntegerOperands& operands);

// acc[m][n] = sum_k (a[m][k] - a_zero) (b[k][n] - b_zero[n]), as engine/integer_sums.h has it.
// Three phases: A is quantized, where it comes as floats; B is packed; blocks of rows are multiplied.
class IntegerProduct : public Step {
 public:
  std::size_t scratch_bytes(std::span<const Tensor> inputs, std::span<const Tensor> outputs) const final;
  std::size_t worker_scratch_bytes(std::span<const Tensor> inputs, std::span<const Tensor> outputs) const final;
  std::size_t phases() const final { return 3; }
  std::size_t items(const Execution& e, std::size_t phase) const final;
  void run(const Execution& e, std::size_t phase, std::size_t item, int worker) const final;

 protected:
  // `scratch` has left_bytes() for what prepare_left writes; null while sizes are asked for.
  virtual IntegerOperands operands(std::span<const Tensor> inputs, std::byte* scratch) const = 0;
  virtual std::size_t left_bytes(std::span<const Tensor>) const { return 0; }
  virtual void prepare_left(const Execution&) const {}
  // Checks values that only running shows.
  virtual void check_values(const Execution&) const {}
  // What the sums of each column are multiplied with.
  virtual void factors(const Execution&, std::int64_t, float*) const {}
  // Integers of a column or of an element to be added to the sums of a row.
  virtual void add_integers(const Execution&, std::int64_t, std::int64_t, std::int32_t*) const {}
  // Writes the row-th row of the output, of `columns` elements.
  virtual void finish(const Execution& e, std::int64_t row, std::int64_t columns,
                      const kernels::SumsRow& sums) const = 0;

 private:
  struct BlockBuffers;
  ProductPlan plan(std::span<const Tensor> inputs) const;
  void multiply(const Execution& e, const ProductPlan& p, std::int64_t number, std::byte* scratch) const;
};

}  // namespace sesame::engine
