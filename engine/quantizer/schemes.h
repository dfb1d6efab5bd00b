// The quantizer's choices, put on the Linears of a graph of normal forms.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/graph.h"
#include "engine/linear_scheme.h"
#include "engine/quantizer/observer.h"

namespace sesame::engine {

// Linears that read the same value, and so the same quantized rows: queries, keys and values of a layer are one group.
struct LinearGroup {
  std::string input;               // the value's name
  std::vector<std::size_t> nodes;  // of the graph
};

// The groups of the Linears that are marked int8 (quantize_linears), in the graph's order. Values that share a name, or
// have none, are given one of their own first.
std::vector<LinearGroup> quantized_groups(Graph& graph);

// Marks the Linears that the encoder's marks left out as well: pooler and classifier.
void mark_heads(Graph& graph);

// Puts the scheme on all groups. For fixed rows each gets the scale and zero point of its input's range: scale =
// (high - low) / 255, zero point = round_half_even(-low / scale). Throws Error when a range is missing.
void set_schemes(Graph& graph, const std::vector<LinearGroup>& groups, const LinearScheme& scheme,
                 const std::map<std::string, Range>& ranges);

// Takes a group's choices back: it runs in fp32. Smoothed weights are as they were again.
void restore_floats(Graph& graph, const LinearGroup& group);

// A group's nodes by name, for people: "layer.0/q_lin, k_lin, v_lin".
std::string describe(const Graph& graph, const LinearGroup& group);

}  // namespace sesame::engine
