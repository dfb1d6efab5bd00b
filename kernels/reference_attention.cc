#include "kernels/reference_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/bf16.h"
#include "kernels/math_constants.h"
#include "kernels/reference_rows.h"

namespace sesame::kernels::reference {
namespace {

int at(const TokenBytes& tokens, std::size_t token, std::size_t d) {
  return tokens.bytes[static_cast<std::ptrdiff_t>(token) * tokens.ld + static_cast<std::ptrdiff_t>(d)] - 128;
}

// Of query i, relative to the highest.
std::vector<float> scores(const AttentionU8S8& a, std::size_t i) {
  std::vector<float> t(a.keys);
  for (std::size_t j = 0; j < a.keys; ++j) {
    std::int32_t acc = 0;
    for (std::size_t d = 0; d < a.head_dim; ++d) acc += at(a.q, i, d) * at(a.k, j, d);
    t[j] = static_cast<float>(acc) * (a.k.scale[j] * (a.scale * kLog2E));
  }
  const float scale = a.q.scale[i];
  if (a.bias) {
    const float* bias = a.bias + static_cast<std::ptrdiff_t>(i) * a.ld_bias;
    for (std::size_t j = 0; j < a.keys; ++j) t[j] = std::fma(t[j], scale, bias[j] * kLog2E);
  }
  const float highest = *std::max_element(t.begin(), t.end()), limit = 0x1p20f / std::abs(highest);
  const float slope = limit < scale ? limit : scale;
  for (float& x : t) x = a.bias ? x - highest : std::fma(x, slope, -(slope * highest));
  return t;
}

// w to w8, in place; returns m / 255.
float quantize_weights(std::vector<float>& w) {
  float m = 0.0f;
  for (float x : w) {
    if (std::isnan(x)) return std::numeric_limits<float>::quiet_NaN();
    m = std::max(m, x);
  }
  const bool zero = m < 0x1p-100f;
  // The product is exact in double precision.
  for (float& x : w) x = zero ? 0.0f : static_cast<float>(std::nearbyint(static_cast<double>(x) * (255.0f / m)));
  return zero ? 0.0f : m / 255.0f;
}

void attend(const AttentionU8S8& a, std::vector<float> row, float* out) {
  float sum[4] = {};
  for (std::size_t j = 0; j < a.keys; ++j) {
    const float e = exp2_coarse(row[j]);
    sum[j % 4] = sum[j % 4] + e;
    row[j] = e * a.v.scale[j];
  }
  const float factor = quantize_weights(row) / ((sum[0] + sum[1]) + (sum[2] + sum[3]));
  for (std::size_t d = 0; d < a.head_dim; ++d) {
    std::int32_t acc = 0;
    if (!std::isnan(factor)) {
      for (std::size_t j = 0; j < a.keys; ++j) acc += static_cast<int>(row[j]) * at(a.v, j, d);
    }
    out[d] = static_cast<float>(acc) * factor;
  }
}

}  // namespace

void attention_u8s8(const AttentionU8S8& a) {
  for (std::size_t i = 0; i < a.queries; ++i) {
    attend(a, scores(a, i), a.out + static_cast<std::ptrdiff_t>(i) * a.ldo);
  }
}

namespace {

// The chain of GemmBf16 over n values.
template <class A, class B>
float chain_bf16(std::size_t n, A a, B b) {
  const auto value = [n](auto x, std::size_t i) { return i < n ? from_bf16(to_bf16(x(i))) : 0.0f; };
  float sum = 0;
  for (std::size_t i = 0; i < n; i += 2) {
    sum = fma_flushed(value(a, i + 1), value(b, i + 1), sum);
    sum = fma_flushed(value(a, i), value(b, i), sum);
  }
  return sum;
}

}  // namespace

void attention_bf16(const AttentionBf16& a) {
  std::vector<float> row(a.keys);
  for (std::size_t m = 0; m < a.queries; ++m) {
    const auto i = static_cast<std::ptrdiff_t>(m);
    const auto value = [](const float* x, std::ptrdiff_t ld, std::size_t r) {
      return x[static_cast<std::ptrdiff_t>(r) * ld];
    };
    for (std::size_t j = 0; j < a.keys; ++j) {
      const float* k = a.k + static_cast<std::ptrdiff_t>(j) * a.ldk;
      const auto q_at = [&](std::size_t d) { return value(a.q + i * a.ldq, 1, d); };
      row[j] = chain_bf16(a.head_dim, q_at, [&](std::size_t d) { return k[d]; }) * a.scale;
      if (a.bias) row[j] = row[j] + a.bias[i * a.ld_bias + static_cast<std::ptrdiff_t>(j)];
    }
    const float highest = *std::max_element(row.begin(), row.end());
    for (float& x : row) x = exp(x - highest);
    const float inverse = 1.0f / sum_row(row.data(), a.keys);
    for (std::size_t d = 0; d < a.head_dim; ++d) {
      const auto p_at = [&](std::size_t j) { return row[j]; };
      const auto v_at = [&](std::size_t j) { return value(a.v + d, a.ldv, j); };
      a.out[i * a.ldo + static_cast<std::ptrdiff_t>(d)] = chain_bf16(a.keys, p_at, v_at) * inverse;
    }
  }
}

}  // namespace sesame::kernels::reference
