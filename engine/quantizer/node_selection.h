// Which nodes of a float graph are to be quantized: by operator, without some parts of the encoder, without some names.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/graph.h"

namespace sesame::engine {

// Parts of an encoder that can be left in floats; found by dataflow. As in the published comparisons, which vary them:
enum class NodeGroup {
  layernorm,  // the nodes of a LayerNormalization spelled out: ReduceMean, Sub, Pow, ..., Add
  gelu,       // the nodes of a GELU spelled out: Div, Erf, Add, Mul, Mul
  residual,   // an Add that reads another Add, or sums two activations for a LayerNormalization
  gather,     // an Add that reads a Gather: sums of embeddings
  softmax,    // an Add that a Softmax reads: the attention mask's
};
std::string_view name(NodeGroup group);
NodeGroup parse_node_group(std::string_view text);  // throws Error
std::span<const NodeGroup> all_node_groups();

struct NodeSelection {
  std::vector<std::string> operators = {"MatMul", "Gemm"};
  std::vector<NodeGroup> exclude = {};
  std::string exclude_nodes = {};  // ECMAScript regular expression, found anywhere in a node's name; empty: none
  // Also what follows the encoder (pooler, classifier). The encoder ends at the last LayerNormalization of a residual
  // sum; without one, all is encoder.
  bool heads = false;
};

// One flag a node. Nodes without a name are known by their first output's. The graph in topological order, its
// constants folded. Throws Error when the expression is none.
std::vector<bool> select_nodes(const Graph& graph, const NodeSelection& selection);

}  // namespace sesame::engine
