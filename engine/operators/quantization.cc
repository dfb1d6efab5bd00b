#include "engine/operators/quantization.h"

#include <algorithm>
#include <cmath>

namespace sesame::engine {

void check_scales(const Tensor& scale) {
  visit_in(Floats{}, scale.type(), [&](auto t) {
    for (auto stored : scale.span<decltype(t)>()) {
      const auto s = load(stored);
      if (s != s) throw Error("scale is NaN");
      if (std::isinf(s)) throw Error("scale is infinite");
      if (s < 0) throw Error("scale is negative");
    }
  });
}

void check_constant_scales(const Graph& graph, const Node& node, std::size_t input) {
  const Tensor& scale = graph.constant(node.input(input));
  if (scale && scale.has_data()) check_scales(scale);
}

namespace {

void check_channels(std::string_view what, const Tensor& t, std::int64_t channels) {
  if (t.size() == 1 && t.rank() <= 1) return;
  if (t.rank() == 1 && t.dim(0) == channels) return;
  throw Error(std::string(what) + " has shape " + to_string(t.shape()) + ", expected a scalar" +
              (channels == 1 ? "" : " or [" + std::to_string(channels) + "]"));
}

}  // namespace

void check_zero_point(std::string_view what, const Tensor& zero_point, DType type, std::int64_t channels) {
  if (!zero_point) return;
  if (zero_point.type() != type) refuse_type(what, zero_point.type(), {type});
  check_channels(what, zero_point, channels);
}

void check_scale_shape(std::string_view what, const Tensor& scale, std::int64_t channels) {
  check_type(what, scale.type(), Types<float>{});
  check_channels(what, scale, channels);
}

std::int32_t zero_point_at(const Tensor& zero_point, std::int64_t n) {
  if (!zero_point) return 0;
  const std::int64_t i = zero_point.size() == 1 ? 0 : n;
  switch (zero_point.type()) {
    case DType::u8:
      return zero_point.data<std::uint8_t>()[i];
    case DType::i8:
      return zero_point.data<std::int8_t>()[i];
    default:
      return zero_point.data<std::int32_t>()[i];
  }
}

DynamicParameters dynamic_parameters(const kernels::Range& range) {
  if (std::isnan(range.low)) return {range.low, 0};
  const float scale = range.low == range.high ? 1.0f : (range.high - range.low) / 255.0f;
  return {scale, static_cast<std::uint8_t>(round_half_even(std::clamp(-range.low / scale, 0.0f, 255.0f)))};
}

}  // namespace sesame::engine
