#include "engine/quantized_node.h"

#include "engine/operators/quantization.h"

namespace sesame::engine {

bool is_quantize(const Node& node) { return node.is("QuantizeLinear") || node.is("QuantizeLinear", kMicrosoft); }
bool is_dequantize(const Node& node) { return node.is("DequantizeLinear") || node.is("DequantizeLinear", kMicrosoft); }

bool has_constant_parameters(const Graph& graph, const Node& node) {
  const Tensor& scale = graph.constant(node.input(1));
  const bool zero = node.input(2) == kNoValue || graph.is_constant(node.input(2));
  return scale && scale.type() == DType::f32 && zero && node.attributes.integer("block_size", 0) == 0;
}

bool has_tensor_parameters(const Graph& graph, const Node& node) {
  return has_constant_parameters(graph, node) && graph.constant(node.input(1)).size() == 1 &&
         graph.constant(node.input(1)).rank() <= 1;
}

kernels::ByteSum byte_sum(const Graph& graph, const Node& node, bool is_signed) {
  const auto scale = [&](std::size_t i) { return scale_at(graph.constant(node.input(i)), 0); };
  const auto zero = [&](std::size_t i) { return zero_point_at(graph.constant(node.input(i)), 0); };
  return byte_sum(scale(1), zero(2), scale(4), zero(5), scale(6), zero(7), is_signed);
}

kernels::ByteSum byte_sum(float a_scale, std::int32_t a_zero, float b_scale, std::int32_t b_zero, float y_scale,
                          std::int32_t y_zero, bool is_signed) {
  const float ra = a_scale / y_scale, rb = b_scale / y_scale;
  const float zeros = ra * static_cast<float>(a_zero) + rb * static_cast<float>(b_zero);
  return {ra, rb, static_cast<float>(y_zero) - zeros, is_signed};
}

}  // namespace sesame::engine
