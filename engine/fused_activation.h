// The activation that ONNX Runtime's FusedGemm applies to its product.
#pragma once

#include "engine/graph.h"

namespace sesame::engine {

// FusedGemm's activation as ai.onnx's operator of that name: its attributes `activation_alpha` and the like are that
// operator's `alpha`, with its defaults. The node has no inputs and outputs, and the name of an operator that may not
// be an activation of one tensor: is_fusable_activation says so.
Node activation_of(const Node& fused_gemm);

bool is_fusable_activation(const Node& activation);

}  // namespace sesame::engine
