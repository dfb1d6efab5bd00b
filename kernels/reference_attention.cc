#include "kernels/reference_attention.h"

#include <algorithm>
#include <bit>
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

// What the values' scales become: L, u and what makes weights of exponentials.
struct ValueScales {
  float step;
  std::vector<float> shift, unshift, factor;
};

ValueScales value_scales(const AttentionU8S8& a) {
  float highest = 0.0f;
  for (std::size_t j = 0; j < a.keys; ++j) highest = a.v.scale[j] > highest ? a.v.scale[j] : highest;
  const bool tiny = highest < 0x1p-100f;
  ValueScales v{tiny ? 0.0f : highest / 240.0f, {}, {}, {}};
  for (std::size_t j = 0; j < a.keys; ++j) {
    float r = a.v.scale[j] * (tiny ? 0.0f : 1.0f / highest);
    if (r < 0x1p-40f) r = 0x1p-40f;
    const auto bits = static_cast<float>(std::bit_cast<std::int32_t>(r));
    v.shift.push_back(std::isnan(r) ? r : std::fma(bits, 0x1p-23f, -127.0f));
    v.unshift.push_back(exp2_coarse(-v.shift[j]));
    v.factor.push_back((r * 240.0f) * v.unshift[j]);
  }
  return v;
}

// Of query i, relative to the highest.
std::vector<float> scores(const AttentionU8S8& a, const ValueScales& v, std::size_t i) {
  std::vector<float> y(a.keys);
  for (std::size_t j = 0; j < a.keys; ++j) {
    std::int32_t acc = 0;
    for (std::size_t d = 0; d < a.head_dim; ++d) acc += at(a.q, i, d) * at(a.k, j, d);
    y[j] = std::fma(static_cast<float>(acc) * (a.k.scale[j] * (a.scale * kLog2E)), a.q.scale[i], v.shift[j]);
  }
  if (a.bias) {
    const float* bias = a.bias + static_cast<std::ptrdiff_t>(i) * a.ld_bias;
    float base = -std::numeric_limits<float>::infinity();
    for (std::size_t j = 0; j < a.keys; ++j) base = bias[j] > base ? bias[j] : base;
    for (std::size_t j = 0; j < a.keys; ++j) {
      const float above = std::fma(y[j] - v.shift[j], kLn2High, bias[j]) - base;
      y[j] = base < kSwallowingBias ? std::fma(above, kLog2E, v.shift[j]) : std::fma(bias[j], kLog2E, y[j]);
    }
  }
  float highest = -std::numeric_limits<float>::infinity();
  for (float x : y) highest = x > highest ? x : highest;
  for (float& x : y) x = x - highest;
  return y;
}

void attend(const AttentionU8S8& a, const ValueScales& v, const std::vector<float>& row, float* out) {
  std::vector<std::int32_t> weight(a.keys);
  float sum[4] = {};
  for (std::size_t j = 0; j < a.keys; ++j) {
    const float e = exp2_coarse(row[j]);
    sum[j % 4] = std::fma(e, v.unshift[j], sum[j % 4]);
    // The product is exact in double precision.
    const double w = static_cast<double>(e) * v.factor[j];
    weight[j] = std::isnan(w) ? 0 : static_cast<std::int32_t>(std::nearbyint(w));
  }
  const float factor = v.step / ((sum[0] + sum[1]) + (sum[2] + sum[3]));
  for (std::size_t d = 0; d < a.head_dim; ++d) {
    std::int32_t acc = 0;
    for (std::size_t j = 0; j < a.keys; ++j) acc += weight[j] * at(a.v, j, d);
    out[d] = static_cast<float>(acc) * factor;
  }
}

}  // namespace

void attention_u8s8(const AttentionU8S8& a) {
  const ValueScales v = value_scales(a);
  for (std::size_t i = 0; i < a.queries; ++i) {
    attend(a, v, scores(a, v, i), a.out + static_cast<std::ptrdiff_t>(i) * a.ldo);
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
