#include "kernels/reference_affine.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/pack.h"
#include "kernels/reference_rows.h"

namespace sesame::kernels::reference {
namespace {

std::uint8_t to_byte(float v, const ByteRange& range) {
  const auto low = static_cast<float>(range.lowest() - range.zero_point);
  const float limited = std::isnan(v) ? low : std::clamp(v, low, low + 255);
  return static_cast<std::uint8_t>(static_cast<std::int32_t>(std::nearbyint(limited)) + range.zero_point);
}

std::int32_t number(std::uint8_t byte, bool is_signed) {
  return is_signed ? std::int32_t{static_cast<std::int8_t>(byte)} : std::int32_t{byte};
}

std::int32_t wrapped(std::int64_t x) { return static_cast<std::int32_t>(static_cast<std::uint32_t>(x)); }

float scaled(const SumsRow& row, std::size_t i) {
  const std::int64_t zero = row.weight_zero ? row.weight_zero[i] : 0;
  return static_cast<float>(wrapped(row.sums[i] - row.row_sum * zero)) * row.factor[i];
}

float combined(Combination combination, float a, float b) {
  switch (combination) {
    case Combination::add:
      return a + b;
    case Combination::subtract:
      return a - b;
    case Combination::multiply:
      return a * b;
    case Combination::divide:
      break;
  }
  return a / b;
}

}  // namespace

void sums_u8s8(const SumsU8S8& g) {
  for (std::size_t m = 0; m < g.M; ++m) {
    const std::uint8_t* a = g.a + static_cast<std::ptrdiff_t>(m) * g.lda;
    for (std::size_t n = 0; n < g.N; ++n) {
      const std::int8_t* w = g.b + n / kPanel * kPanel * round_up(g.K, 4) + n % kPanel * 4;
      std::int64_t sum = g.acc_init[n];
      for (std::size_t k = 0; k < g.K; ++k) sum += a[k] * w[k / 4 * kPanel * 4 + k % 4];
      g.c[static_cast<std::ptrdiff_t>(m) * g.ldc + static_cast<std::ptrdiff_t>(n)] = wrapped(sum);
    }
  }
}

Range range_row(const float* x, std::size_t n) {
  Range range{0, 0};
  for (std::size_t i = 0; i < n; ++i) {
    if (!std::isfinite(x[i])) return {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::quiet_NaN()};
    range = {std::min(range.low, x[i]), std::max(range.high, x[i])};
  }
  return range;
}

void quantize_affine_row(const float* x, std::size_t n, float scale, const ByteRange& range, std::uint8_t* q) {
  for (std::size_t i = 0; i < n; ++i) q[i] = to_byte(x[i] / scale, range);
}

void scale_sums_row(const SumsRow& row, const float* bias, std::size_t n, float* y) {
  for (std::size_t i = 0; i < n; ++i) y[i] = bias ? scaled(row, i) + bias[i] : scaled(row, i);
}

void requantize_sums_row(const SumsRow& row, std::size_t n, const ByteRange& range, std::uint8_t* q) {
  for (std::size_t i = 0; i < n; ++i) q[i] = to_byte(scaled(row, i), range);
}

void dequantize_row(const std::uint8_t* q, std::size_t n, float scale, const ByteRange& range, float* y) {
  for (std::size_t i = 0; i < n; ++i)
    y[i] = static_cast<float>(number(q[i], range.is_signed) - range.zero_point) * scale;
}

void add_bytes_row(const std::uint8_t* a, const std::uint8_t* b, std::size_t n, const ByteSum& sum, std::uint8_t* q) {
  const auto value = [&](std::uint8_t byte) { return static_cast<float>(number(byte, sum.is_signed)); };
  for (std::size_t i = 0; i < n; ++i) {
    q[i] =
        to_byte(std::fma(value(a[i]), sum.a_ratio, std::fma(value(b[i]), sum.b_ratio, sum.offset)), {sum.is_signed, 0});
  }
}

std::int32_t sum_u8_row(const std::uint8_t* q, std::size_t n) {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += q[i];
  return sum;
}

void combine_row(Combination combination, const Operand& a, const Operand& b, std::size_t n, float* y) {
  for (std::size_t i = 0; i < n; ++i) y[i] = combined(combination, a.data[a.is_one ? 0 : i], b.data[b.is_one ? 0 : i]);
}

void layernorm_steps_row(const float* x, const float* gamma, const float* beta, float epsilon, std::size_t n,
                         float* y) {
  const auto count = static_cast<float>(n);
  const float mean = sum_row(x, n) / count;
  std::vector<float> squares(n);
  for (std::size_t i = 0; i < n; ++i) squares[i] = (x[i] - mean) * (x[i] - mean);
  const float deviation = std::sqrt(sum_row(squares.data(), n) / count + epsilon);
  for (std::size_t i = 0; i < n; ++i) y[i] = (x[i] - mean) / deviation * gamma[i] + beta[i];
}

}  // namespace sesame::kernels::reference
