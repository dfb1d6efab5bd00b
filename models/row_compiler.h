// Writes the programs of a RowEncoder for the rows between and behind attentions that were found in a graph.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "engine/graph.h"
#include "engine/normal_forms/matcher.h"
#include "engine/shape_probe.h"
#include "models/attention_pattern.h"
#include "models/row_encoder.h"

namespace sesame::models {

// A part of a graph as an encoder, with what its step reads and writes there.
struct RowRegion {
  RowEncoder encoder;
  std::vector<engine::ValueId> inputs;  // the mask last, when there is one: as the graph has it
  Mask mask;                            // what it means there
  std::vector<engine::ValueId> outputs;
  std::set<engine::ValueId> inside;  // what its nodes make, softmaxes among it
};

// Whether scales depend on all rows of a tensor: then none may be left out, padding included.
bool padding_counts(const engine::Graph& graph);

// How many of the attentions, from the first on, make one encoder: under the same mask, and their queries, keys and
// values made from the rows before them by nothing but what programs of rows have.
// `why` says what keeps the next one out.
std::size_t count_together(const engine::Matcher& m, const engine::ShapeProbe& probe,
                           std::span<const AttentionPattern> attentions, Mismatch& why);

// The first node behind the region, in the order of the graph, that keeps its last layer from being whole: a residual
// sum or its norm follows outside. Null when the layer ends in the region.
const engine::Node* unfinished_at(const engine::Matcher& m, const engine::ShapeProbe& probe, const RowRegion& region);

// The encoder of these attentions, in the order of the graph. Nothing, and why, when what it reads is made from what it
// makes.
std::optional<RowRegion> compile_rows(const engine::Matcher& m, const engine::ShapeProbe& probe,
                                      std::span<const AttentionPattern> attentions, AttentionPrecision precision,
                                      Mismatch& why);

}  // namespace sesame::models
