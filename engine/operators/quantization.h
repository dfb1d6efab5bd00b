// Quantizing as ONNX defines it: q = saturate(round_half_even(x / scale) + zero point), x = (q - zero point) * scale.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

#include "engine/operators/common.h"

namespace sesame::engine {

// Throws Error unless every scale is finite and not negative: "scale is negative".
void check_scales(const Tensor& scale);
// The same for an input that is constant, when the step is made.
void check_constant_scales(const Graph& graph, const Node& node, std::size_t input);

// Throws Error unless the zero point is undefined, or has the type and one element, or one a channel in one axis.
void check_zero_point(std::string_view what, const Tensor& zero_point, DType type, std::int64_t channels);
// Throws Error unless the scale is float32 with one element, or one a channel in one axis.
void check_scale_shape(std::string_view what, const Tensor& scale, std::int64_t channels);

// The n-th of one zero point or many, 0 when it is undefined.
std::int32_t zero_point_at(const Tensor& zero_point, std::int64_t n);
inline float scale_at(const Tensor& scale, std::int64_t n) { return scale.data<float>()[scale.size() == 1 ? 0 : n]; }

// To the nearest integer, half to even, for |x| < 2^22.
inline float round_half_even(float x) {
  constexpr float kShift = 12582912.0f;  // 1.5 * 2^23: the sum has no bits left for a fraction
  return (x + kShift) - kShift;
}

// v is x / scale. NaN becomes the smallest value.
template <class Q>
Q saturated(float v, std::int32_t zero_point) {
  const auto low = static_cast<float>(std::int32_t{std::numeric_limits<Q>::min()} - zero_point);
  const auto high = static_cast<float>(std::int32_t{std::numeric_limits<Q>::max()} - zero_point);
  v = v >= low ? v : low;
  v = v <= high ? v : high;
  return static_cast<Q>(static_cast<std::int32_t>(round_half_even(v)) + zero_point);
}

template <class Q>
Q quantized(float x, float scale, std::int32_t zero_point) {
  return saturated<Q>(x / scale, zero_point);
}

// One scale and zero point (u8) for all elements, by their least and greatest with 0 (kernels' range_row), as
// DynamicQuantizeLinear does. All zeros give scale 1; a NaN or an infinity gives scale NaN.
struct DynamicParameters {
  float scale;
  std::uint8_t zero_point;
};
DynamicParameters dynamic_parameters(const kernels::Range& range);

// The bytes of a type about a zero point (undefined: 0).
inline kernels::ByteRange byte_range(DType type, const Tensor& zero_point) {
  return {type == DType::i8, zero_point_at(zero_point, 0)};
}

}  // namespace sesame::engine
