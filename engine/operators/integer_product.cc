#include "engine/operators/integer_product.h"

#include <algorithm>

#include "engine/operators/quantization.h"
#include "kernels/pack.h"

namespace sesame::engine {

namespace {

std::int32_t byte_at(const Tensor& t, std::int64_t i) {
  return t.type() == DType::u8 ? std::int32_t{t.data<std::uint8_t>()[i]} : std::int32_t{t.data<std::int8_t>()[i]};
}

std::size_t aligned(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace

void widen(const Tensor& x, const Tensor& zero_point, std::int16_t* y) {
  const std::int64_t columns = x.rank() == 0 ? 1 : x.shape().back();
  for (std::int64_t i = 0; i < x.size(); ++i) {
    y[i] = static_cast<std::int16_t>(byte_at(x, i) - zero_point_at(zero_point, i % columns));
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

namespace {

// B's matrices, packed one behind the other after what prepare_left wrote.
PackedBytes packed_at(const ProductPlan& p, std::byte* packed, std::int64_t number) {
  const auto K = static_cast<std::size_t>(p.K), N = static_cast<std::size_t>(p.N);
  return PackedBytes::at(packed + static_cast<std::size_t>(number) * PackedBytes::bytes(K, N), K, N);
}

}  // namespace

// One worker's scratch for a block of rows.
struct IntegerProduct::BlockBuffers {
  BlockBuffers(const ProductPlan& p, std::byte* scratch) {
    const auto N = static_cast<std::size_t>(p.N);
    sums = reinterpret_cast<std::int32_t*>(scratch);
    init = sums + rows_of(p) * N;
    factor = reinterpret_cast<float*>(init + kernels::round_up(N, kernels::kPanel));
    rows = reinterpret_cast<std::uint8_t*>(factor + N);
  }
  static std::size_t rows_of(const ProductPlan& p) {
    return static_cast<std::size_t>(std::min(p.M, ProductPlan::kRows));
  }
  static std::size_t bytes(const ProductPlan& p) {
    const auto N = static_cast<std::size_t>(p.N);
    const std::size_t words = rows_of(p) * N + kernels::round_up(N, kernels::kPanel) + N;
    return words * sizeof(std::int32_t) + rows_of(p) * stored_row_bytes(static_cast<std::size_t>(p.K));
  }

  std::int32_t* sums;  // [rows][N]
  std::int32_t* init;
  float* factor;       // [N]
  std::uint8_t* rows;  // of A, as stored
};

std::size_t IntegerProduct::scratch_bytes(std::span<const Tensor> inputs, std::span<const Tensor>) const {
  const ProductPlan p = plan(inputs);
  if (p.is_empty()) return 0;
  return aligned(left_bytes(inputs)) +
         static_cast<std::size_t>(p.b_batches) *
             PackedBytes::bytes(static_cast<std::size_t>(p.K), static_cast<std::size_t>(p.N));
}

std::size_t IntegerProduct::worker_scratch_bytes(std::span<const Tensor> inputs, std::span<const Tensor>) const {
  const ProductPlan p = plan(inputs);
  return p.is_empty() ? 0 : BlockBuffers::bytes(p);
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
  const auto number = static_cast<std::int64_t>(item);
  if (phase == 2) return multiply(e, p, number, e.worker_scratch[static_cast<std::size_t>(worker)]);
  const IntegerOperands o = operands(e.inputs, e.scratch);
  packed_at(p, e.scratch + aligned(left_bytes(e.inputs)), number)
      .pack(o.b.type(), static_cast<const std::byte*>(o.b.raw()) + p.b_offset_of(number), p.b.row_stride,
            p.b.column_stride, o.b_zero);
}

void IntegerProduct::multiply(const Execution& e, const ProductPlan& p, std::int64_t number, std::byte* scratch) const {
  const IntegerOperands o = operands(e.inputs, e.scratch);
  const std::int64_t batch = number / p.blocks;
  const std::int64_t first = number % p.blocks * ProductPlan::kRows;
  const auto rows = static_cast<std::size_t>(std::min(ProductPlan::kRows, p.M - first));
  const auto N = static_cast<std::size_t>(p.N);
  const BlockBuffers buffers(p, scratch);
  const PackedBytes b = packed_at(p, e.scratch + aligned(left_bytes(e.inputs)), p.b_number(batch));
  const ByteRows a =
      store_rows(o.a.type(), static_cast<const std::byte*>(o.a.raw()) + p.a_offset(batch) + first * p.a.row_stride,
                 p.a.row_stride, p.a.column_stride, rows, b.K, zero_point_at(o.a_zero, 0), buffers.rows);
  sum_columns(*e.kernels, a, rows, b, 0, N, nullptr, buffers.init, buffers.sums);
  factors(e, p.N, buffers.factor);
  const bool has_zero_points = b.has_zero_points();
  for (std::size_t m = 0; m < rows; ++m) {
    const std::int64_t row = batch * p.M + first + static_cast<std::int64_t>(m);
    add_integers(e, row, p.N, buffers.sums + m * N);
    finish(e, row, p.N, row_of_sums(*e.kernels, a, m, b, 0, N, has_zero_points, buffers.factor, buffers.sums));
  }
}

}  // namespace sesame::engine
