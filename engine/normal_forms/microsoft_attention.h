// ONNX Runtime's Attention and MultiHeadAttention, taken apart into the operators that they stand for.
#pragma once

#include "engine/normal_forms/emitter.h"
#include "engine/shape_probe.h"

namespace sesame::engine {

// Products, Softmax and mask in place of the node, an Attention or a MultiHeadAttention of com.microsoft, or a
// sesame.ProjectedAttention. False, with
// nodes that are to be dropped, when it does more (a past, a causal mask, packed heads) or its shapes are unknown.
bool emit_attention(Emitter& e, const Graph& graph, const ShapeProbe& probe, const Node& node);

}  // namespace sesame::engine
