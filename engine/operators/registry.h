// The list of operator files; see Registry in engine/step.h.
#pragma once

#include "engine/step.h"

namespace sesame::engine {

void register_cast(Registry& registry);
void register_conv(Registry& registry);
void register_conv_integer(Registry& registry);
void register_einsum(Registry& registry);
void register_elementwise_binary(Registry& registry);
void register_elementwise_unary(Registry& registry);
void register_gather(Registry& registry);
void register_gemm(Registry& registry);
void register_matmul(Registry& registry);
void register_microsoft_attention(Registry& registry);
void register_microsoft_embedding(Registry& registry);
void register_microsoft_fused(Registry& registry);
void register_movement(Registry& registry);
void register_normalization(Registry& registry);
void register_qlinear(Registry& registry);
void register_quantize_linear(Registry& registry);
void register_gather_bytes(Registry& registry);
void register_quantized_matmul(Registry& registry);
void register_reduce(Registry& registry);
void register_selection(Registry& registry);
void register_shape_ops(Registry& registry);
void register_softmax(Registry& registry);

}  // namespace sesame::engine
