// sesame.QuantizedLinear as a step.
#pragma once

#include "engine/graph.h"
#include "engine/quantized_linear.h"
#include "engine/step.h"

namespace sesame::engine {

// Packs the node's weights. The step's inputs are the bytes, their scale and their zero point (or none: 0).
std::shared_ptr<const Step> make_quantized_linear_step(const Graph& graph, const Node& node);

// The shape of its result, in `output`. Throws Error when the input does not fit.
void infer_quantized_linear(Inference& io, std::size_t in_features, std::size_t out_features, DType output);

// Gives every QuantizedLinear node of the graph that has no step yet its packed one, and drops the reference to the raw
// weights. Nodes that share a weight share what is packed of it.
void pack_quantized_linears(Graph& graph);

}  // namespace sesame::engine
