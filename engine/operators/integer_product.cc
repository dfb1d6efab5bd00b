#include "engine/operators/integer_product.h"

#include <algorithm>

#include "engine/operators/quantization.h"

namespace sesame::engine {

namespace {

std::int32_t byte_at(const Tensor& t, std::int64_t i) {
  return t.type() == DType::u8 ? std::int32_t{t.data<std::uint8_t>()[i]} : std::int32_t{t.data<std::int8_t>()[i]};
}

// One matrix of m at `offset`, less its zero points, as dense rows [first, first + rows).
template <class T>
void widen_matrix(const T* x, const Matrices& m, std::int64_t first, std::int64_t rows, const Tensor& zero,
                  std::int16_t* y) {
  for (std::int64_t r = first; r < first + rows; ++r) {
    for (std::int64_t c = 0; c < m.columns; ++c) {
      const std::int32_t z = zero_point_at(zero, c);
      *y++ = static_cast<std::int16_t>(x[r * m.row_stride + c * m.column_stride] - z);
    }
  }
}

void widen_matrix(const Tensor& t, std::int64_t offset, const Matrices& m, std::int64_t first, std::int64_t rows,
                  const Tensor& zero, std::int16_t* y) {
  visit_in(ByteTypes{}, t.type(),
           [&](auto x) { widen_matrix(t.data<decltype(x)>() + offset, m, first, rows, zero, y); });
}

std::size_t aligned(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace

void widen(const Tensor& x, const Tensor* zero_point, std::int64_t group, std::int16_t* y) {
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const std::int32_t zero = zero_point == nullptr ? 0 : zero_point_at(*zero_point, i / group);
    y[i] = static_cast<std::int16_t>(byte_at(x, i) - zero);
  }
}

void multiply_int16(const std::int16_t* a, const std::int16_t* b, std::int64_t M, std::int64_t N, std::int64_t K,
                    std::int32_t* sums) {
  std::fill_n(sums, M * N, 0);
  for (std::int64_t m = 0; m < M; ++m) {
    auto* row = reinterpret_cast<std::uint32_t*>(sums + m * N);  // unsigned: it may wrap around
    for (std::int64_t k = 0; k < K; ++k) {
      const std::int32_t x = a[m * K + k];
      if (x == 0) continue;
      const std::int16_t* y = b + k * N;
      for (std::int64_t n = 0; n < N; ++n) row[n] += static_cast<std::uint32_t>(x * y[n]);
    }
  }
}

Shape check_operands(const IntegerOperands& o) {
  check_type("A", o.a.type(), ByteTypes{});
  check_type("B", o.b.type(), ByteTypes{});
  const Matrices a = left_matrices(o.a, o.a_transposition);
  const Matrices b = right_matrices(o.b, o.b_transposition);
  check_zero_point("A's zero point", o.a_zero, o.a.type(), 1);
  check_zero_point("B's zero point", o.b_zero, o.b.type(), b.columns);
  return product_shape(o.a, a, o.b, b);
}

ProductPlan IntegerProduct::plan(std::span<const Tensor> inputs) const {
  const IntegerOperands o = operands(inputs, nullptr);
  return {left_matrices(o.a, o.a_transposition), right_matrices(o.b, o.b_transposition)};
}

std::size_t IntegerProduct::scratch_bytes(std::span<const Tensor> inputs, std::span<const Tensor>) const {
  const ProductPlan p = plan(inputs);
  if (p.is_empty()) return 0;
  return aligned(left_bytes(inputs)) + static_cast<std::size_t>(p.b_batches * p.K * p.N) * sizeof(std::int16_t);
}

std::size_t IntegerProduct::worker_scratch_bytes(std::span<const Tensor> inputs, std::span<const Tensor>) const {
  const ProductPlan p = plan(inputs);
  if (p.is_empty()) return 0;
  const auto rows = static_cast<std::size_t>(std::min(p.M, ProductPlan::kRows));
  return rows *
         (static_cast<std::size_t>(p.N) * sizeof(std::int32_t) + static_cast<std::size_t>(p.K) * sizeof(std::int16_t));
}

std::size_t IntegerProduct::items(const Execution& e, std::size_t phase) const {
  const ProductPlan p = plan(e.inputs);
  if (p.is_empty()) return 0;
  if (phase == 0) return 1;
  return static_cast<std::size_t>(phase == 1 ? p.b_batches : p.batches * p.blocks);
}

void IntegerProduct::run(const Execution& e, std::size_t phase, std::size_t item, int worker) const {
  if (phase == 0) {
    check_values(e);
    return prepare_left(e);
  }
  const ProductPlan p = plan(e.inputs);
  const IntegerOperands o = operands(e.inputs, e.scratch);
  auto* widened = reinterpret_cast<std::int16_t*>(e.scratch + aligned(left_bytes(e.inputs)));
  const auto number = static_cast<std::int64_t>(item);
  if (phase == 1) {
    return widen_matrix(o.b, p.b_offset_of(number), p.b, 0, p.K, o.b_zero, widened + number * p.K * p.N);
  }
  const std::int64_t batch = number / p.blocks;
  const std::int64_t first = number % p.blocks * ProductPlan::kRows;
  const std::int64_t rows = std::min(ProductPlan::kRows, p.M - first);
  auto* acc = reinterpret_cast<std::int32_t*>(e.worker_scratch[static_cast<std::size_t>(worker)]);
  auto* a = reinterpret_cast<std::int16_t*>(acc + rows * p.N);
  widen_matrix(o.a, p.a_offset(batch), p.a, first, rows, o.a_zero, a);
  multiply_int16(a, widened + p.b_number(batch) * p.K * p.N, rows, p.N, p.K, acc);
  finish(e, batch * p.M + first, rows, p.N, acc);
}

}  // namespace sesame::engine
