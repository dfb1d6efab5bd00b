#include "engine/integer_sums.h"

#include <algorithm>
#include <cassert>

#include "engine/operators/quantization.h"
#include "kernels/pack.h"

namespace sesame::engine {

namespace {

constexpr std::uint8_t kFlip = 0x80;

std::int32_t wrapped(std::int64_t x) { return static_cast<std::int32_t>(static_cast<std::uint32_t>(x)); }

// From unsigned to stored, or back; what pads the depth stays 0.
void flip_packed(const PackedBytes& b) {
  const std::size_t depth = kernels::round_up(b.K, 4), panels = (b.N + kernels::kPanel - 1) / kernels::kPanel;
  auto* bytes = reinterpret_cast<std::uint8_t*>(b.packed);
  for (std::size_t i = 0; i < panels * depth * kernels::kPanel; ++i) bytes[i] ^= kFlip;
  for (std::size_t panel = 0; panel < panels && depth != b.K; ++panel) {
    std::uint8_t* quads = bytes + (panel * depth + depth - 4) * kernels::kPanel;
    for (std::size_t n = 0; n < kernels::kPanel; ++n) std::fill(quads + n * 4 + b.K % 4, quads + n * 4 + 4, 0);
  }
}

}  // namespace

std::size_t PackedBytes::bytes(std::size_t K, std::size_t N) {
  return kernels::round_up(kernels::packed_s8_size(K, N), 64) +
         2 * kernels::round_up(N, kernels::kPanel) * sizeof(std::int32_t);
}

PackedBytes PackedBytes::at(std::byte* memory, std::size_t K, std::size_t N) {
  auto* sums = reinterpret_cast<std::int32_t*>(memory + kernels::round_up(kernels::packed_s8_size(K, N), 64));
  return {K, N, reinterpret_cast<std::int8_t*>(memory), sums, sums + kernels::round_up(N, kernels::kPanel)};
}

void PackedBytes::pack(DType type, const void* w, std::ptrdiff_t stride_k, std::ptrdiff_t stride_n,
                       const Tensor& zero_point, std::size_t first) const {
  pack(type, w, stride_k, stride_n, 0);
  const std::int32_t shift = type == DType::u8 ? 128 : 0;
  for (std::size_t n = 0; n < N; ++n) zero[n] = zero_point_at(zero_point, static_cast<std::int64_t>(first + n)) - shift;
}

void PackedBytes::pack(DType type, const void* w, std::ptrdiff_t stride_k, std::ptrdiff_t stride_n,
                       std::int32_t zero_point) const {
  kernels::pack_s8(static_cast<const std::int8_t*>(w), stride_k, stride_n, K, N, packed);
  if (type == DType::u8) flip_packed(*this);
  kernels::column_sums_s8(packed, K, N, column_sums);
  std::fill_n(zero, N, zero_point - (type == DType::u8 ? 128 : 0));
  std::fill(zero + N, zero + kernels::round_up(N, kernels::kPanel), 0);
}

bool PackedBytes::has_zero_points() const {
  return std::any_of(zero, zero + N, [](std::int32_t z) { return z != 0; });
}

std::size_t stored_row_bytes(std::size_t K) { return kernels::round_up(K, 64); }

ByteRows store_rows(DType type, const void* a, std::ptrdiff_t row_stride, std::ptrdiff_t column_stride,
                    std::size_t rows, std::size_t K, std::int32_t zero_point, std::uint8_t* scratch) {
  const auto* bytes = static_cast<const std::uint8_t*>(a);
  if (type == DType::u8 && column_stride == 1 && K % 4 == 0) return {bytes, row_stride, zero_point};
  const std::size_t ld = stored_row_bytes(K);
  const std::uint8_t flip = type == DType::u8 ? 0 : kFlip;
  for (std::size_t m = 0; m < rows; ++m) {
    const std::uint8_t* from = bytes + static_cast<std::ptrdiff_t>(m) * row_stride;
    std::uint8_t* to = scratch + m * ld;
    if (column_stride == 1) {
      for (std::size_t k = 0; k < K; ++k) to[k] = from[k] ^ flip;
    } else {
      for (std::size_t k = 0; k < K; ++k) to[k] = from[static_cast<std::ptrdiff_t>(k) * column_stride] ^ flip;
    }
    std::fill(to + K, to + kernels::round_up(K, 4), 0);
  }
  return {scratch, static_cast<std::ptrdiff_t>(ld), zero_point + flip};
}

void sum_columns(const kernels::Table& kernels, const ByteRows& a, std::size_t rows, const PackedBytes& b,
                 std::size_t begin, std::size_t count, const std::int32_t* addend, std::int32_t* init,
                 std::int32_t* sums) {
  assert(begin % kernels::kPanel == 0 && begin + count <= b.N);
  const auto depth = static_cast<std::int64_t>(b.K);
  for (std::size_t n = 0; n < count; ++n) {
    const std::int64_t correction = a.zero_point * (depth * b.zero[begin + n] - b.column_sums[begin + n]);
    init[n] = wrapped(correction + (addend == nullptr ? 0 : addend[begin + n]));
  }
  std::fill(init + count, init + kernels::round_up(count, kernels::kPanel), 0);
  kernels.sums_u8s8({a.data, a.ld, b.packed + begin * kernels::round_up(b.K, 4), init, rows, count, b.K, sums,
                     static_cast<std::ptrdiff_t>(count)});
}

kernels::SumsRow row_of_sums(const kernels::Table& kernels, const ByteRows& a, std::size_t m, const PackedBytes& b,
                             std::size_t begin, std::size_t count, bool has_zero_points, const float* factor,
                             const std::int32_t* sums) {
  kernels::SumsRow row{sums + m * count, factor};
  if (!has_zero_points) return row;
  row.weight_zero = b.zero + begin;
  const std::uint8_t* bytes = a.data + static_cast<std::ptrdiff_t>(m) * a.ld;
  for (std::size_t k = 0; k < b.K; k += kernels::kMaxK) {
    row.row_sum += kernels.sum_u8_row(bytes + k, std::min(b.K - k, kernels::kMaxK));
  }
  return row;
}

}  // namespace sesame::engine
