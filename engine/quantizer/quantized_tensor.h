// Constants in 8 bits, as ONNX's quantizing operators want them: values, scales, zero points.
#pragma once

#include <cstddef>
#include <optional>

#include "engine/quantizer/observer.h"
#include "engine/tensor.h"

namespace sesame::engine {

// The integers that values are quantized to.
//   i8: symmetric, zero point 0, [-127, 127], reduced [-64, 64]
//   u8: asymmetric, [0, 255], reduced [0, 127]
// The reduced ones have 7 bits: sums of two products then fit the 16 bits that VPMADDUBSW has on CPUs without VNNI.
struct IntegerRange {
  DType type = DType::i8;
  int low = -127;
  int high = 127;
};
IntegerRange integer_range(DType type, bool reduced);

// x = (q - zero_point) * scale
struct Affine {
  float scale = 1;
  int zero_point = 0;
};

// Scale and zero point for reals of this range, made to hold 0. A range of nothing, or one below the smallest normal
// float, gives scale 1.
Affine affine_of(Range range, const IntegerRange& integers);

struct QuantizedTensor {
  Tensor values;      // the shape of what was quantized
  Tensor scale;       // float, a scalar or [channels]
  Tensor zero_point;  // of the type of the values, as scale
};

// q = clamp(round_half_even(x / scale) + zero_point), by the range of all elements or, with an axis, of each index
// along it. Throws Error when an element is NaN or infinite.
QuantizedTensor quantize_constant(const Tensor& floats, const IntegerRange& integers,
                                  std::optional<std::size_t> axis = std::nullopt);

// Scale or zero point as scalars of a graph.
Tensor scale_tensor(const Affine& affine);
Tensor zero_point_tensor(const Affine& affine, DType type);

}  // namespace sesame::engine
