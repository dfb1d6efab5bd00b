// Softmax of a row of bytes as ONNX Runtime's QLinearSoftmax makes it.
//
// The result counts whole units of its scale: round(e * floor(1 / scale) / sum of e), where e comes from a table over
// the distance from the row's maximum.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/table.h"

namespace sesame::engine {

class ByteSoftmax {
 public:
  // Rows of n bytes of x's scale; the result's scale and zero point, both of the same sign.
  ByteSoftmax(float x_scale, std::size_t n, float y_scale, const kernels::ByteRange& range);

  // Elements are `stride` apart; y may be x.
  void run(const std::uint8_t* x, std::size_t n, std::ptrdiff_t stride, std::uint8_t* y) const;

 private:
  template <class Q>
  void run_as(const Q* x, std::size_t n, std::ptrdiff_t stride, Q* y) const;

  std::array<float, 256> table_;  // exp(-distance * scale), raised as far as a sum of n of them allows
  float units_;
  kernels::ByteRange range_;
};

}  // namespace sesame::engine
