// What a Quantize, a Dequantize or a sum of bytes in a graph says, as passes ask for it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/graph.h"
#include "engine/tensor.h"
#include "kernels/table.h"

namespace sesame::engine {

// ai.onnx's or ONNX Runtime's.
bool is_quantize(const Node& node);
bool is_dequantize(const Node& node);

// Whether its float scale and its zero point (kNoValue: 0) are constant.
bool has_constant_parameters(const Graph& graph, const Node& node);
// And one for all elements, a scale that is finite and not negative.
bool has_tensor_parameters(const Graph& graph, const Node& node);

inline bool is_per_tensor_quantize(const Graph& graph, const Node& node) {
  return is_quantize(node) && has_tensor_parameters(graph, node);
}
inline bool is_per_tensor_dequantize(const Graph& graph, const Node& node) {
  return is_dequantize(node) && has_tensor_parameters(graph, node);
}

// One scale that is finite and not negative.
bool is_tensor_scale(const Graph& graph, ValueId id);

// QLinearAdd's arithmetic, whose scales and zero points are constant.
//   round(a * ra + (b * rb + z - (ra * za + rb * zb))), r = scale / scale of the result
kernels::ByteSum byte_sum(const Graph& graph, const Node& qlinear_add, bool is_signed);
kernels::ByteSum byte_sum(float a_scale, std::int32_t a_zero, float b_scale, std::int32_t b_zero, float y_scale,
                          std::int32_t y_zero, bool is_signed);

// QLinearMul's arithmetic: round((a - za) * (b - zb) * ratio + zy), ratio = sa * sb / sy.
struct ByteProduct {
  float ratio = 1;
  std::int32_t a_zero = 0, b_zero = 0, y_zero = 0;
  bool is_signed = false;

  // Before it is rounded.
  float at(std::int32_t a, std::int32_t b) const {
    return static_cast<float>((a - a_zero) * (b - b_zero)) * ratio + static_cast<float>(y_zero);
  }
  // Of rows; y may be a or b.
  void run(const std::uint8_t* a, const std::uint8_t* b, std::size_t n, std::uint8_t* y) const;
};
ByteProduct byte_product(const Graph& graph, const Node& qlinear_mul, bool is_signed);

}  // namespace sesame::engine
