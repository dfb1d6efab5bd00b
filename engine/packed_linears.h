// Linears whose weights lie in the graph as the kernels read them: what a packed model's file holds.
#pragma once

#include <vector>

#include "engine/graph.h"

namespace sesame::engine {

// Linear nodes, by the values that they make, which are packed side by side when the model is loaded (queries, keys and
// values): their tensors then lie behind each other in the file, and none has to be copied.
using SideBySide = std::vector<std::vector<ValueId>>;

// Packs the weights of all sesame.Linear nodes by their schemes and makes the packed tensors their constant inputs (see
// linear_weights). Throws Error that names the node.
void pack_constants(Graph& graph, const SideBySide& groups);

}  // namespace sesame::engine
