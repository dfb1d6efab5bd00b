#include "engine/quantizer/quantized_tensor.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "sesame/error.h"

namespace sesame::engine {

namespace {

// A tensor as [outer, channels, inner].
struct Channels {
  std::int64_t outer = 1;
  std::int64_t count = 1;
  std::int64_t inner = 1;

  Channels(const Shape& shape, std::optional<std::size_t> axis) {
    for (std::size_t i = 0; i < shape.size(); ++i) {
      std::int64_t& part = !axis || i > *axis ? inner : i == *axis ? count : outer;
      part *= shape[i];
    }
  }
  // fn(first element, elements) of every run of a channel.
  template <class Fn>
  void for_each_run(std::int64_t channel, Fn fn) const {
    for (std::int64_t o = 0; o < outer; ++o) fn((o * count + channel) * inner, inner);
  }
};

Range range_of(const float* x, const Channels& channels, std::int64_t channel) {
  Range range;
  bool finite = true;
  channels.for_each_run(channel, [&](std::int64_t first, std::int64_t n) {
    for (const float* v = x + first; v < x + first + n; ++v) {
      finite = finite && std::isfinite(*v);
      range = {std::min(range.low, *v), std::max(range.high, *v)};
    }
  });
  if (!finite) throw Error("expected finite values to quantize, found NaN or infinity");
  return range;
}

// Halves to even, for any float.
float nearest(float x) { return std::nearbyintf(x); }

template <class Q>
void quantize_run(const float* x, std::int64_t n, const Affine& affine, const IntegerRange& integers, Q* q) {
  const auto low = static_cast<float>(integers.low);
  const auto high = static_cast<float>(integers.high);
  const auto zero = static_cast<float>(affine.zero_point);
  for (std::int64_t i = 0; i < n; ++i) {
    q[i] = static_cast<Q>(std::clamp(nearest(x[i] / affine.scale) + zero, low, high));
  }
}

void quantize_channel(const Tensor& floats, const Channels& channels, std::int64_t channel, const Affine& affine,
                      const IntegerRange& integers, Tensor& values) {
  visit(integers.type, [&](auto q) {
    using Q = decltype(q);
    channels.for_each_run(channel, [&](std::int64_t first, std::int64_t n) {
      quantize_run(floats.data<float>() + first, n, affine, integers, values.data<Q>() + first);
    });
  });
}

}  // namespace

IntegerRange integer_range(DType type, bool reduced) {
  if (type == DType::u8) return {type, 0, reduced ? 127 : 255};
  return reduced ? IntegerRange{DType::i8, -64, 64} : IntegerRange{DType::i8, -127, 127};
}

Affine affine_of(Range range, const IntegerRange& integers) {
  double low = std::min(range.low, 0.0f);
  double high = std::max(range.high, 0.0f);
  const bool symmetric = integers.type == DType::i8;
  if (symmetric) {
    high = std::max(-low, high);
    low = -high;
  }
  const double scale = (high - low) / (integers.high - integers.low);
  if (!(scale >= std::numeric_limits<float>::min())) return {};
  const int zero_point = symmetric ? 0 : static_cast<int>(std::nearbyint(integers.low - low / scale));
  return {static_cast<float>(scale), zero_point};
}

QuantizedTensor quantize_constant(const Tensor& floats, const IntegerRange& integers, std::optional<std::size_t> axis) {
  const Channels channels(floats.shape(), axis);
  const Shape parameters = axis ? Shape{channels.count} : Shape{};
  QuantizedTensor result{Tensor::allocate(integers.type, floats.shape()), Tensor::allocate(DType::f32, parameters),
                         Tensor::allocate(integers.type, parameters)};
  for (std::int64_t c = 0; c < channels.count; ++c) {
    const Affine affine = affine_of(range_of(floats.data<float>(), channels, c), integers);
    result.scale.data<float>()[c] = affine.scale;
    static_cast<std::uint8_t*>(result.zero_point.raw())[c] = static_cast<std::uint8_t>(affine.zero_point);
    quantize_channel(floats, channels, c, affine, integers, result.values);
  }
  return result;
}

Tensor scale_tensor(const Affine& affine) { return Tensor::scalar(affine.scale); }

Tensor zero_point_tensor(const Affine& affine, DType type) {
  if (type == DType::u8) return Tensor::scalar(static_cast<std::uint8_t>(affine.zero_point));
  return Tensor::scalar(static_cast<std::int8_t>(affine.zero_point));
}

}  // namespace sesame::engine
