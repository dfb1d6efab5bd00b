// sesame.Linear as a step of its own: heads, and encoders that nobody recognised.
#pragma once

#include <memory>

#include "engine/linear.h"
#include "engine/step.h"

namespace sesame::engine {

// Packs the node's weights by its scheme (linear_scheme.h); rows are quantized inside the step.
std::shared_ptr<const Step> make_linear_step(const Graph& graph, const Node& node);

// The shape of a Linear's result. Throws Error when the rows do not fit.
void infer_linear(Inference& io, std::size_t in_features, std::size_t out_features);

// Gives every Linear node of the graph that has no step yet its packed one, and drops the reference to the raw weights.
void pack_linears(Graph& graph);

}  // namespace sesame::engine
