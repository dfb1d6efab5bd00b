#include "kernels/reference_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/pack.h"
#include "kernels/reference_rows.h"

namespace sesame::kernels::reference {
namespace {

// Tokens quantized on their own.
struct Tokens {
  Tokens(const float* x, std::ptrdiff_t ld, std::size_t count, std::size_t n)
      : stride(round_up(n, 4)), bytes(count * stride), scale(count) {
    for (std::size_t t = 0; t < count; ++t) {
      scale[t] = quantize_row_u8(x + static_cast<std::ptrdiff_t>(t) * ld, n, bytes.data() + t * stride);
    }
  }
  int at(std::size_t token, std::size_t d) const { return bytes[token * stride + d] - 128; }

  std::size_t stride;
  std::vector<std::uint8_t> bytes;
  std::vector<float> scale;
};

std::vector<float> scores(const AttentionInt8& a, const Tokens& q, const Tokens& k, std::size_t i) {
  std::vector<float> row(a.keys);
  for (std::size_t j = 0; j < a.keys; ++j) {
    std::int32_t acc = 0;
    for (std::size_t d = 0; d < a.head_dim; ++d) acc += q.at(i, d) * k.at(j, d);
    const float scale = (q.scale[i] * a.scale) * k.scale[j];
    const float* bias = a.bias ? a.bias + static_cast<std::ptrdiff_t>(i) * a.ld_bias + j : nullptr;
    row[j] = bias ? std::fma(static_cast<float>(acc), scale, *bias) : static_cast<float>(acc) * scale;
  }
  return row;
}

// w to w8, in place; returns m / 255.
float quantize_weights(std::vector<float>& w) {
  float m = 0.0f;
  for (float x : w) {
    if (std::isnan(x)) return std::numeric_limits<float>::quiet_NaN();
    m = std::max(m, x);
  }
  const bool zero = m < 0x1p-100f;
  for (float& x : w) x = zero ? 0.0f : std::nearbyint(x * (255.0f / m));
  return zero ? 0.0f : m / 255.0f;
}

void attend(const AttentionInt8& a, std::vector<float> row, const Tokens& v, float* out) {
  const float highest = *std::max_element(row.begin(), row.end());
  for (float& x : row) x = exp(x - highest);
  const float sum = sum_row(row.data(), a.keys);
  for (std::size_t j = 0; j < a.keys; ++j) row[j] = row[j] * v.scale[j];
  const float factor = quantize_weights(row) / sum;
  for (std::size_t d = 0; d < a.head_dim; ++d) {
    std::int32_t acc = 0;
    if (!std::isnan(factor)) {
      for (std::size_t j = 0; j < a.keys; ++j) acc += static_cast<int>(row[j]) * v.at(j, d);
    }
    out[d] = static_cast<float>(acc) * factor;
  }
}

}  // namespace

void attention_u8s8(const AttentionInt8& a) {
  const Tokens q(a.q, a.ldq, a.queries, a.head_dim), k(a.k, a.ldk, a.keys, a.head_dim);
  const Tokens v(a.v, a.ldv, a.keys, a.head_dim);
  for (std::size_t i = 0; i < a.queries; ++i) {
    attend(a, scores(a, q, k, i), v, a.out + static_cast<std::ptrdiff_t>(i) * a.ldo);
  }
}

}  // namespace sesame::kernels::reference
