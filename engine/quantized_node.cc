#include "engine/quantized_node.h"

#include <cmath>

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
  return has_constant_parameters(graph, node) && is_tensor_scale(graph, node.input(1));
}

bool is_tensor_scale(const Graph& graph, ValueId id) {
  const Tensor& t = graph.constant(id);
  return t && t.type() == DType::f32 && t.size() == 1 && t.rank() <= 1 && std::isfinite(*t.data<float>()) &&
         *t.data<float>() >= 0;
}

namespace {

float scale(const Graph& graph, const Node& node, std::size_t i) { return scale_at(graph.constant(node.input(i)), 0); }
std::int32_t zero(const Graph& graph, const Node& node, std::size_t i) {
  return zero_point_at(graph.constant(node.input(i)), 0);
}

template <class Q>
void multiply(const ByteProduct& p, const Q* a, const Q* b, std::size_t n, Q* y) {
  for (std::size_t i = 0; i < n; ++i) y[i] = saturated<Q>(p.at(a[i], b[i]), 0);
}

}  // namespace

kernels::ByteSum byte_sum(const Graph& graph, const Node& node, bool is_signed) {
  return byte_sum(scale(graph, node, 1), zero(graph, node, 2), scale(graph, node, 4), zero(graph, node, 5),
                  scale(graph, node, 6), zero(graph, node, 7), is_signed);
}

ByteProduct byte_product(const Graph& graph, const Node& node, bool is_signed) {
  return {scale(graph, node, 1) * scale(graph, node, 4) / scale(graph, node, 6), zero(graph, node, 2),
          zero(graph, node, 5), zero(graph, node, 7), is_signed};
}

void ByteProduct::run(const std::uint8_t* a, const std::uint8_t* b, std::size_t n, std::uint8_t* y) const {
  if (!is_signed) return multiply(*this, a, b, n, y);
  multiply(*this, reinterpret_cast<const std::int8_t*>(a), reinterpret_cast<const std::int8_t*>(b), n,
           reinterpret_cast<std::int8_t*>(y));
}

kernels::ByteSum byte_sum(float a_scale, std::int32_t a_zero, float b_scale, std::int32_t b_zero, float y_scale,
                          std::int32_t y_zero, bool is_signed) {
  const float ra = a_scale / y_scale, rb = b_scale / y_scale;
  const float zeros = ra * static_cast<float>(a_zero) + rb * static_cast<float>(b_zero);
  return {ra, rb, static_cast<float>(y_zero) - zeros, is_signed};
}

}  // namespace sesame::engine
