#include "engine/operators/matrix_product.h"

#include <algorithm>

#include "engine/operators/integer_math.h"
#include "engine/operators/loops.h"
#include "kernels/pack.h"

namespace sesame::engine {

namespace {

constexpr std::int64_t kRows = ProductPlan::kRows;
constexpr std::int64_t kColumns = 128;  // columns of a packing item, whole panels

Matrices matrices(const Tensor& t, Transposition transposition) {
  const Shape& shape = t.shape();
  const Shape strides = strides_of(shape);
  const auto last = static_cast<std::ptrdiff_t>(shape.size()) - 1;
  const std::ptrdiff_t rows = transposition.batch ? 0 : last - 1;
  const std::ptrdiff_t batch = transposition.batch ? 1 : 0;
  Matrices m;
  m.batch.assign(shape.begin() + batch, shape.begin() + batch + last - 1);
  m.batch_strides.assign(strides.begin() + batch, strides.begin() + batch + last - 1);
  m.rows = shape[static_cast<std::size_t>(rows)];
  m.row_stride = strides[static_cast<std::size_t>(rows)];
  m.columns = shape[static_cast<std::size_t>(last)];
  m.column_stride = 1;
  if (transposition.matrix) {
    std::swap(m.rows, m.columns);
    std::swap(m.row_stride, m.column_stride);
  }
  return m;
}

void check_rank(const Tensor& t) {
  if (t.rank() == 0) throw Error("a scalar is no operand of a matrix product");
}

// The offset of the batch-th matrix of m, whose batch is broadcast to `to`.
std::int64_t offset_of(const Matrices& m, const Shape& to, std::int64_t batch) {
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < to.size(); ++i) {
    const std::size_t axis = to.size() - 1 - i;  // from the last axis on
    const std::int64_t position = batch % to[axis];
    batch /= to[axis];
    if (i >= m.batch.size()) continue;
    const std::size_t own = m.batch.size() - 1 - i;
    if (m.batch[own] != 1) offset += position * m.batch_strides[own];
  }
  return offset;
}

// Which of the matrices of m, counted in row-major order of its own batch, the batch-th of `to` reads.
std::int64_t number_of(const Matrices& m, const Shape& to, std::int64_t batch) {
  std::int64_t number = 0;
  std::int64_t stride = 1;
  for (std::size_t i = 0; i < m.batch.size(); ++i) {
    const std::int64_t position = batch % to[to.size() - 1 - i];
    batch /= to[to.size() - 1 - i];
    const std::int64_t own = m.batch[m.batch.size() - 1 - i];
    if (own != 1) number += position * stride;
    stride *= own;
  }
  return number;
}

// Whether the matrices lie one behind the other, row by row.
bool is_contiguous(const Matrices& m) {
  if (m.column_stride != 1 || m.row_stride != m.columns) return false;
  std::int64_t expected = m.rows * m.columns;
  for (std::size_t i = m.batch.size(); i-- > 0;) {
    if (m.batch[i] != 1 && m.batch_strides[i] != expected) return false;
    expected *= m.batch[i];
  }
  return true;
}

// pack_f32 for float16.
void pack_halves(const Half* w, std::int64_t stride_k, std::int64_t stride_n, std::int64_t K, std::int64_t N,
                 float* packed) {
  constexpr auto kPanel = static_cast<std::int64_t>(kernels::kPanel);
  for (std::int64_t panel = 0; panel * kPanel < N; ++panel) {
    for (std::int64_t k = 0; k < K; ++k) {
      for (std::int64_t i = 0; i < kPanel; ++i) {
        const std::int64_t n = panel * kPanel + i;
        *packed++ = n < N ? to_float(w[k * stride_k + n * stride_n]) : 0.0f;
      }
    }
  }
}

std::size_t packed_size(const ProductPlan& p) {
  return kernels::packed_f32_size(static_cast<std::size_t>(p.K), static_cast<std::size_t>(p.N));
}

std::int64_t column_groups(const ProductPlan& p) { return (p.N + kColumns - 1) / kColumns; }

// Whether rows of A must be gathered before the kernel can read them.
bool gathers(const ProductPlan& p, DType type) { return type != DType::f32 || p.a.column_stride != 1; }

bool is_packed(DType type) { return type == DType::f32 || type == DType::f16; }

}  // namespace

Matrices left_matrices(const Tensor& a, Transposition t) {
  check_rank(a);
  if (a.rank() == 1) return {{}, {}, 1, a.dim(0), a.dim(0), 1};
  return matrices(a, t);
}

Matrices right_matrices(const Tensor& b, Transposition t) {
  check_rank(b);
  if (b.rank() == 1) return {{}, {}, b.dim(0), 1, 1, 1};
  return matrices(b, t);
}

ProductPlan::ProductPlan(Matrices left, Matrices right) : a(std::move(left)), b(std::move(right)) {
  batch = broadcast(a.batch, b.batch);
  b_batches = element_count(b.batch);
  if (b_batches == 1 && is_contiguous(a)) {
    a.rows *= element_count(a.batch);
    a.batch.clear();
    b.batch.clear();
    batch.clear();
  }
  batches = element_count(batch);
  M = a.rows;
  N = b.columns;
  K = a.columns;
  blocks = (M + kRows - 1) / kRows;
}

std::int64_t ProductPlan::a_offset(std::int64_t batch_index) const { return offset_of(a, batch, batch_index); }
std::int64_t ProductPlan::b_offset(std::int64_t batch_index) const { return offset_of(b, batch, batch_index); }
std::int64_t ProductPlan::b_number(std::int64_t batch_index) const { return number_of(b, batch, batch_index); }
std::int64_t ProductPlan::b_offset_of(std::int64_t number) const { return offset_of(b, b.batch, number); }

Shape product_shape(const Tensor& a, const Matrices& left, const Tensor& b, const Matrices& right) {
  if (left.columns != right.rows) {
    throw Error("inner dimensions " + std::to_string(left.columns) + " and " + std::to_string(right.rows) + " differ");
  }
  Shape shape = broadcast(left.batch, right.batch);
  element_count(shape);  // bounds it even where an empty dimension follows
  if (a.rank() > 1) shape.push_back(left.rows);
  if (b.rank() > 1) shape.push_back(right.columns);
  return shape;
}

std::size_t MatrixProduct::scratch_bytes(std::span<const Tensor> inputs, std::span<const Tensor>) const {
  if (!is_packed(inputs[0].type())) return 0;
  const ProductPlan p = plan(inputs);
  if (p.is_empty()) return 0;
  return static_cast<std::size_t>(p.b_batches) * packed_size(p) * sizeof(float);
}

std::size_t MatrixProduct::worker_scratch_bytes(std::span<const Tensor> inputs, std::span<const Tensor>) const {
  if (!is_packed(inputs[0].type())) return 0;
  const ProductPlan p = plan(inputs);
  if (p.is_empty()) return 0;
  const std::int64_t rows = std::min(p.M, kRows);
  std::int64_t elements = 0;
  if (gathers(p, inputs[0].type())) elements += rows * p.K;
  if (inputs[0].type() == DType::f16) elements += rows * p.N;
  return static_cast<std::size_t>(elements) * sizeof(float);
}

std::size_t MatrixProduct::items(const Execution& e, std::size_t phase) const {
  const ProductPlan p = plan(e.inputs);
  if (p.is_empty()) return 0;
  if (phase == 1) return static_cast<std::size_t>(p.batches * p.blocks);
  return is_packed(e.inputs[0].type()) ? static_cast<std::size_t>(p.b_batches * column_groups(p)) : 0;
}

void MatrixProduct::run(const Execution& e, std::size_t phase, std::size_t item, int worker) const {
  const ProductPlan p = plan(e.inputs);
  const DType type = e.inputs[0].type();
  const auto number = static_cast<std::int64_t>(item);
  if (phase == 0) {
    const std::int64_t batch = number / column_groups(p);
    const std::int64_t first = number % column_groups(p) * kColumns;
    const std::int64_t columns = std::min(kColumns, p.N - first);
    float* packed =
        reinterpret_cast<float*>(e.scratch) + static_cast<std::size_t>(batch) * packed_size(p) + first * p.K;
    const std::int64_t offset = p.b_offset_of(batch) + first * p.b.column_stride;
    if (type == DType::f32) {
      kernels::pack_f32(e.inputs[1].data<float>() + offset, p.b.row_stride, p.b.column_stride,
                        static_cast<std::size_t>(p.K), static_cast<std::size_t>(columns), packed);
    } else {
      pack_halves(e.inputs[1].data<Half>() + offset, p.b.row_stride, p.b.column_stride, p.K, columns, packed);
    }
    return;
  }
  const std::int64_t batch = number / p.blocks;
  const std::int64_t row = number % p.blocks * kRows;
  const std::int64_t rows = std::min(kRows, p.M - row);
  if (type == DType::f32) return multiply_floats<float>(e, p, batch, row, rows, worker);
  if (type == DType::f16) return multiply_floats<Half>(e, p, batch, row, rows, worker);
  visit_in(Types<double, std::int32_t, std::int64_t>{}, type,
           [&](auto t) { multiply_plainly<decltype(t)>(e, p, batch, row, rows); });
}

template <class T>
void MatrixProduct::multiply_floats(const Execution& e, const ProductPlan& p, std::int64_t batch, std::int64_t row,
                                    std::int64_t rows, int worker) const {
  const T* a = e.inputs[0].data<T>() + p.a_offset(batch) + row * p.a.row_stride;
  T* c = e.outputs[0].data<T>() + (batch * p.M + row) * p.N;
  float* scratch = gathers(p, e.inputs[0].type())
                       ? reinterpret_cast<float*>(e.worker_scratch[static_cast<std::size_t>(worker)])
                       : nullptr;
  kernels::GemmF32 g{};
  g.b = reinterpret_cast<const float*>(e.scratch) + static_cast<std::size_t>(p.b_number(batch)) * packed_size(p);
  g.M = static_cast<std::size_t>(rows);
  g.N = static_cast<std::size_t>(p.N);
  g.K = static_cast<std::size_t>(p.K);
  g.ldc = p.N;
  if (scratch != nullptr) {
    for (std::int64_t m = 0; m < rows; ++m) {
      for (std::int64_t k = 0; k < p.K; ++k) scratch[m * p.K + k] = load(a[m * p.a.row_stride + k * p.a.column_stride]);
    }
    g.a = scratch;
    g.lda = p.K;
  }
  if constexpr (std::is_same_v<T, float>) {
    if (scratch == nullptr) {
      g.a = a;
      g.lda = p.a.row_stride;
    }
    g.c = c;
  } else {
    g.c = scratch + rows * p.K;
  }
  if (p.K == 0) {
    std::fill_n(g.c, rows * p.N, 0.0f);
  } else {
    e.kernels->gemm_f32(g);
  }
  finish(e, batch * p.M + row, rows, p.N, g.c);
  if constexpr (std::is_same_v<T, Half>) to_halves(g.c, static_cast<std::size_t>(rows * p.N), c);
}

template <class T>
void MatrixProduct::multiply_plainly(const Execution& e, const ProductPlan& p, std::int64_t batch, std::int64_t row,
                                     std::int64_t rows) const {
  const T* a = e.inputs[0].data<T>() + p.a_offset(batch) + row * p.a.row_stride;
  const T* b = e.inputs[1].data<T>() + p.b_offset(batch);
  T* c = e.outputs[0].data<T>() + (batch * p.M + row) * p.N;
  for (std::int64_t m = 0; m < rows; ++m) {
    std::fill_n(c + m * p.N, p.N, T{0});
    for (std::int64_t k = 0; k < p.K; ++k) {
      const T x = a[m * p.a.row_stride + k * p.a.column_stride];
      for (std::int64_t n = 0; n < p.N; ++n) {
        T& sum = c[m * p.N + n];
        sum = wrapping_add(sum, wrapping_mul(x, b[k * p.b.row_stride + n * p.b.column_stride]));
      }
    }
  }
  if constexpr (std::is_same_v<T, double>) finish(e, batch * p.M + row, rows, p.N, c);
}

}  // namespace sesame::engine
