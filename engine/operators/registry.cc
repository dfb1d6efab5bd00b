#include "engine/operators/registry.h"

#include <string>

#include "sesame/error.h"

namespace sesame::engine {

namespace {

const Registry& registry() {
  static const Registry all = [] {
    Registry r;
    register_cast(r);
    register_conv(r);
    register_conv_integer(r);
    register_einsum(r);
    register_elementwise_binary(r);
    register_elementwise_unary(r);
    register_gather(r);
    register_gemm(r);
    register_matmul(r);
    register_microsoft_attention(r);
    register_microsoft_embedding(r);
    register_microsoft_fused(r);
    register_movement(r);
    register_normalization(r);
    register_qlinear(r);
    register_quantize_linear(r);
    register_gather_bytes(r);
    register_quantized_matmul(r);
    register_reduce(r);
    register_selection(r);
    register_shape_ops(r);
    register_softmax(r);
    return r;
  }();
  return all;
}

}  // namespace

bool is_supported(const Node& node) { return registry().find(node) != nullptr; }

std::unique_ptr<Step> make_step(const Graph& graph, const Node& node) {
  const StepFactory* factory = registry().find(node);
  if (factory == nullptr) {
    throw Error("unsupported operator " + node.op + " (domain " + (node.domain.empty() ? "ai.onnx" : node.domain) +
                ", opset " + std::to_string(node.version) + ")");
  }
  return (*factory)(graph, node);
}

}  // namespace sesame::engine
