#include "kernels/reference_rows.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/math_constants.h"

namespace sesame::kernels::reference {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// x to the nearest integer, half to even, in the low bits of the sum's 32 (lanes.h may not use libm; here fma may).
float add_magic(float x, float factor) { return std::fma(x, factor, kRoundingMagic); }

float exp_in_range(float x) {
  const float shifted = add_magic(x, kLog2E);
  const float n = shifted - kRoundingMagic;
  const float r = std::fma(n, -kLn2Low, std::fma(n, -kLn2High, x));
  float p = kExpCoefficient[4];
  for (int k = 3; k >= 0; --k) p = std::fma(p, r, kExpCoefficient[k]);
  p = std::fma(p, r, 1.0f);
  p = std::fma(p, r, 1.0f);
  return std::ldexp(p, static_cast<int>(n));
}

template <int degree>
float piecewise(const Pieces<degree>& pieces, float a) {
  if (std::isnan(a)) return a;
  a = std::min(a, 15.0f * pieces.step);
  const float n = add_magic(a, pieces.per_step) - kRoundingMagic;
  const float d = std::fma(n, -pieces.step, a);
  float p = pieces.coefficient[degree][static_cast<int>(n)];
  for (int k = degree - 1; k >= 0; --k) p = std::fma(p, d, pieces.coefficient[k][static_cast<int>(n)]);
  return p;
}

float tanh_small(float x) {
  const float u = x * x;
  float p = kTanhCoefficient[4];
  for (int k = 3; k >= 0; --k) p = std::fma(p, u, kTanhCoefficient[k]);
  return std::fma(p * u, x, x);
}

float relu(float x) { return x < 0.0f ? 0.0f : x; }

// The second half of the fixed order: 64 partial sums to one.
float combine(const float* partial) {
  float lane[16];
  for (int l = 0; l < 16; ++l) lane[l] = (partial[l] + partial[l + 16]) + (partial[l + 32] + partial[l + 48]);
  for (int width : {8, 4, 2, 1}) {
    for (int l = 0; l < width; ++l) lane[l] += lane[l + width];
  }
  return lane[0];
}

float sum_of_squared_deviations(const float* x, float mean, std::size_t n) {
  float partial[64] = {};
  for (std::size_t i = 0; i < n; ++i) partial[i % 64] = std::fma(x[i] - mean, x[i] - mean, partial[i % 64]);
  return combine(partial);
}

// p[i] = exp(x[i] - max x); returns their sum.
float exp_minus_max(const float* x, std::size_t n, float* p) {
  const float highest = *std::max_element(x, x + n);
  for (std::size_t i = 0; i < n; ++i) p[i] = exp(x[i] - highest);
  return sum_row(p, n);
}

// fma(a[i], b[i * stride_b], .) from 0, i ascending.
float chain(const float* a, const float* b, std::ptrdiff_t stride_b, std::size_t n) {
  float sum = 0.0f;
  for (std::size_t i = 0; i < n; ++i) sum = std::fma(a[i], b[static_cast<std::ptrdiff_t>(i) * stride_b], sum);
  return sum;
}

}  // namespace

float exp2_coarse(float x) {
  if (x < kExp2Lowest) x = kExp2Lowest;
  if (std::isnan(x)) return x;
  const float n = std::nearbyint(x), r = x - n;
  float p = kExp2Coefficient[2];
  p = std::fma(p, r, kExp2Coefficient[1]);
  p = std::fma(p, r, kExp2Coefficient[0]);
  return std::ldexp(std::fma(p, r, 1.0f), static_cast<int>(n));
}

float exp(float x) {
  if (std::isnan(x)) return x;
  if (x > kExpHighest) return kInfinity;
  if (x < kExpLowest) return 0.0f;
  return exp_in_range(x);
}

float erf(float x) {
  if (std::isnan(x)) return x;
  const float a = std::min(std::abs(x), 15.0f * kErfOverX.step);
  return std::copysign(std::min(std::fma(a, piecewise(kErfOverX, a), a * 0.5f), 1.0f), x);
}

float tanh(float x) {
  if (std::isnan(x)) return x;
  const float a = std::min(std::abs(x), kTanhOne);
  return std::copysign(a < kTanhSmall ? tanh_small(a) : 1.0f - 2.0f / (exp_in_range(a + a) + 1.0f), x);
}

float activate(Activation activation, float x) {
  switch (activation) {
    case Activation::none:
      return x;
    case Activation::gelu_erf:
      return relu(x) - piecewise(kGeluErfTail, std::abs(x));
    case Activation::gelu_tanh:
      return relu(x) - piecewise(kGeluTanhTail, std::abs(x));
    case Activation::relu:
      return relu(x);
    case Activation::tanh:
      return tanh(x);
  }
  return x;
}

float activate_short(Activation activation, float x) {
  if (activation == Activation::gelu_erf) return relu(x) - piecewise(kGeluErfTailShort, std::abs(x));
  if (activation == Activation::gelu_tanh) return relu(x) - piecewise(kGeluTanhTailShort, std::abs(x));
  return activate(activation, x);
}

float sum_row(const float* x, std::size_t n) {
  float partial[64] = {};
  for (std::size_t i = 0; i < n; ++i) partial[i % 64] += x[i];
  return combine(partial);
}

void layernorm_row(const float* x, const float* gamma, const float* beta, float epsilon, std::size_t n, float* y) {
  const float mean = sum_row(x, n) / static_cast<float>(n);
  const float variance = sum_of_squared_deviations(x, mean, n) / static_cast<float>(n);
  const float inverse = 1.0f / std::sqrt(variance + epsilon);
  for (std::size_t i = 0; i < n; ++i) y[i] = std::fma((x[i] - mean) * inverse, gamma[i], beta[i]);
}

void softmax_row(const float* x, std::size_t n, float* y) {
  const float sum = exp_minus_max(x, n, y);
  for (std::size_t i = 0; i < n; ++i) y[i] /= sum;
}

float quantize_row_u8(const float* x, std::size_t n, std::uint8_t* q) {
  std::fill_n(q, (n + 3) / 4 * 4, std::uint8_t{128});
  float m = 0.0f;
  for (std::size_t i = 0; i < n; ++i) {
    if (!std::isfinite(x[i])) return std::numeric_limits<float>::quiet_NaN();
    m = std::max(m, std::abs(x[i]));
  }
  if (m < 0x1p-100f) return 0.0f;
  const float per_step = 127.0f / m;
  for (std::size_t i = 0; i < n; ++i) q[i] = static_cast<std::uint8_t>(std::nearbyint(x[i] * per_step) + 128.0f);
  return m / 127.0f;
}

float activate_quantize_row_u8(Activation activation, const float* x, std::size_t n, float* y, std::uint8_t* q) {
  for (std::size_t i = 0; i < n; ++i) y[i] = activate_short(activation, x[i]);
  return quantize_row_u8(y, n, q);
}

float smooth_quantize_row_u8(const float* x, const float* multiplier, std::size_t n, std::uint8_t* q) {
  std::vector<float> y(n);
  for (std::size_t i = 0; i < n; ++i) y[i] = x[i] * multiplier[i];
  return quantize_row_u8(y.data(), n, q);
}

float static_quantize_row_u8(const float* x, const float* multiplier, std::size_t n, float scale,
                             std::uint8_t zero_point, std::uint8_t* q) {
  std::fill_n(q, (n + 3) / 4 * 4, zero_point);
  std::vector<float> y(x, x + n);
  for (std::size_t i = 0; i < n && multiplier != nullptr; ++i) y[i] *= multiplier[i];
  if (!std::all_of(y.begin(), y.end(), [](float v) { return std::isfinite(v); })) {
    return std::numeric_limits<float>::quiet_NaN();
  }
  for (std::size_t i = 0; i < n; ++i) {
    q[i] = static_cast<std::uint8_t>(
        std::clamp(std::nearbyint(y[i] / scale) + static_cast<float>(zero_point), 0.0f, 255.0f));
  }
  return scale;
}

void attention_f32(const AttentionF32& a) {
  std::vector<float> scores(a.keys), p(a.keys);
  for (std::size_t i = 0; i < a.queries; ++i) {
    const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(i);
    for (std::size_t j = 0; j < a.keys; ++j) {
      scores[j] = chain(a.q + row * a.ldq, a.k + static_cast<std::ptrdiff_t>(j) * a.ldk, 1, a.head_dim) * a.scale;
      if (a.bias) scores[j] += a.bias[row * a.ld_bias + static_cast<std::ptrdiff_t>(j)];
    }
    const float inverse = 1.0f / exp_minus_max(scores.data(), a.keys, p.data());
    for (std::size_t d = 0; d < a.head_dim; ++d) {
      a.out[row * a.ldo + static_cast<std::ptrdiff_t>(d)] = chain(p.data(), a.v + d, a.ldv, a.keys) * inverse;
    }
  }
}

void relative_row(const RelativeRow& r) {
  for (std::size_t j = 0; j < r.n; ++j) {
    const std::int32_t t = r.index[j];
    float y = r.bias ? r.bias[j] : 0.0f;
    if (r.query) y = r.bias ? y + r.query[t] : r.query[t];
    if (r.key) {
      const float of_key = r.key[static_cast<std::ptrdiff_t>(j) * r.ld_key + t];
      y = r.bias || r.query ? y + of_key : of_key;
    }
    r.y[j] = y;
  }
}

}  // namespace sesame::kernels::reference
