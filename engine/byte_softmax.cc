#include "engine/byte_softmax.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/operators/quantization.h"

namespace sesame::engine {

ByteSoftmax::ByteSoftmax(float x_scale, std::size_t n, float y_scale, const kernels::ByteRange& range)
    : units_(std::floor(1.0f / y_scale)), range_(range) {
  // Raised, small ones keep their bits.
  const double most = std::log(static_cast<double>(std::numeric_limits<float>::max() / static_cast<float>(n)));
  const double shift = x_scale > 0 ? std::max(0.0, most - 5) / static_cast<double>(x_scale) : 0;
  for (int distance = 0; distance < 256; ++distance) {
    const double exponent = (shift - distance) * static_cast<double>(x_scale);
    table_[static_cast<std::size_t>(distance)] = static_cast<float>(std::exp(exponent));
  }
}

template <class Q>
void ByteSoftmax::run_as(const Q* x, std::size_t n, std::ptrdiff_t stride, Q* y) const {
  const auto at = [&](std::size_t j) { return x[static_cast<std::ptrdiff_t>(j) * stride]; };
  Q largest = x[0];
  for (std::size_t j = 1; j < n; ++j) largest = std::max(largest, at(j));
  float sum = 0;
  for (std::size_t j = 0; j < n; ++j) sum += table_[static_cast<std::size_t>(largest - at(j))];
  std::array<Q, 256> answers;  // by distance from the largest
  for (std::size_t d = 0; d < answers.size(); ++d)
    answers[d] = saturated<Q>(table_[d] * units_ / sum, range_.zero_point);
  for (std::size_t j = 0; j < n; ++j) {
    y[static_cast<std::ptrdiff_t>(j) * stride] = answers[static_cast<std::size_t>(largest - at(j))];
  }
}

void ByteSoftmax::run(const std::uint8_t* x, std::size_t n, std::ptrdiff_t stride, std::uint8_t* y) const {
  if (!range_.is_signed) return run_as(x, n, stride, y);
  run_as(reinterpret_cast<const std::int8_t*>(x), n, stride, reinterpret_cast<std::int8_t*>(y));
}

}  // namespace sesame::engine
