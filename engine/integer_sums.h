// Rows of bytes times a matrix of bytes on the int8 kernels, whatever the signs and zero points:
//
//   sum_k (a[m][k] - z_a) (w[k][n] - z_w[n])
//     = sum_k a w  -  z_a colsum[n]  -  z_w[n] rowsum[m]  +  K z_a z_w[n]
//
// The kernel multiplies unsigned by signed. Signed rows and unsigned weights are stored XOR 0x80, which moves their
// zero points by 128 as well and changes no sum; "stored" below means after that. Sums are exact in int32 up to K =
// 33,025 and wrap around beyond, as MatMulInteger's do.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/tensor.h"
#include "kernels/table.h"

namespace sesame::engine {

// The weights as stored: packed (kernels/pack.h), with their column sums and zero points. A view of memory.
struct PackedBytes {
  std::size_t K, N;
  std::int8_t* packed;
  std::int32_t* column_sums;  // [round_up(N, 16)]
  std::int32_t* zero;         // [round_up(N, 16)]

  // Bytes of memory, 64-byte aligned, that one takes.
  static std::size_t bytes(std::size_t K, std::size_t N);
  static PackedBytes at(std::byte* memory, std::size_t K, std::size_t N);

  // Fills it: w[k][n] at k * stride_k + n * stride_n of `w` in `type`; zero points as zero_point_at has them, from the
  // first-th on.
  void pack(DType type, const void* w, std::ptrdiff_t stride_k, std::ptrdiff_t stride_n, const Tensor& zero_point,
            std::size_t first = 0) const;
  // The same with one zero point for all columns.
  void pack(DType type, const void* w, std::ptrdiff_t stride_k, std::ptrdiff_t stride_n, std::int32_t zero_point) const;
  bool has_zero_points() const;
};

// Rows of bytes as stored.
struct ByteRows {
  const std::uint8_t* data;
  std::ptrdiff_t ld;
  std::int32_t zero_point;
};

// Bytes of scratch that store_rows takes a row at most.
std::size_t stored_row_bytes(std::size_t K);

// `rows` rows of K bytes in `type`, from `a` on. They are used where they lie, or copied to scratch where the kernel
// could not read them there.
ByteRows store_rows(DType type, const void* a, std::ptrdiff_t row_stride, std::ptrdiff_t column_stride,
                    std::size_t rows, std::size_t K, std::int32_t zero_point, std::uint8_t* scratch);

// Columns [begin, begin + count) of the product, begin a multiple of 16, but for the term in rowsum; `addend`, [N] or
// null, is added. `init` is scratch of round_up(count, 16), `sums` is [rows][count].
void sum_columns(const kernels::Table& kernels, const ByteRows& a, std::size_t rows, const PackedBytes& b,
                 std::size_t begin, std::size_t count, const std::int32_t* addend, std::int32_t* init,
                 std::int32_t* sums);

// Row m of those sums with what completes it. `factor` is [count] or null.
kernels::SumsRow row_of_sums(const kernels::Table& kernels, const ByteRows& a, std::size_t m, const PackedBytes& b,
                             std::size_t begin, std::size_t count, bool has_zero_points, const float* factor,
                             const std::int32_t* sums);

}  // namespace sesame::engine
