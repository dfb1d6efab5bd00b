// What an attention mask in a graph masks: keys alone, or pairs of a query and a key.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "engine/graph.h"
#include "engine/normal_forms/matcher.h"
#include "engine/shape_probe.h"
#include "models/ragged.h"

namespace sesame::models {

// The dimensions that are not 1.
engine::ProbedShape squeezed(const engine::ProbedShape& shape);

// A mask as it is broadcast against the scores [batch, heads, queries, keys]: which axis of them each of its
// dimensions other than 1 lies along, in order.
struct PlacedMask {
  engine::ValueId id = engine::kNoValue;
  std::vector<std::size_t> axes;
};

// Sees through what only lays a mask out again: Unsqueeze, Squeeze, Reshape, Expand over heads and queries, casts of
// bool to bool.
PlacedMask mask_source(const engine::Matcher& m, const engine::ShapeProbe& probe, engine::ValueId id);

// Whether the mask varies along the keys and at most over the batch.
bool is_key_mask(const engine::ShapeProbe& probe, const PlacedMask& mask, engine::ProbedDim batch,
                 engine::ProbedDim length);

// Whether the mask varies along queries and keys, and at most over the batch: its values are [batch or
// 1][length][length].
bool is_query_mask(const engine::ShapeProbe& probe, const PlacedMask& mask, engine::ProbedDim batch,
                   engine::ProbedDim length);

// The float mask of MaskKind::each_query for a mask of queries and keys with this meaning; a node is added for one of
// bools.
engine::ValueId add_query_mask(engine::Graph& graph, engine::ValueId mask, const Mask& meaning,
                               std::vector<engine::Node>& nodes);

// A mask of pairs: steps(mask of keys * the same mask of queries), or And in place of the product, where the steps
// work on each element alone.
struct PairMask {
  engine::ValueId keys = engine::kNoValue;  // [batch, 1, 1, length], in the product's place
  std::vector<const engine::Node*> steps;   // from the product to the mask, in order, each reading the one before
};

// The pair mask behind a bool value [batch, 1, length, length] that drops pairs unless both of their positions are
// kept: the steps of 0 are true and those of 1 false, or the other way round when it `keeps`. Else nothing.
std::optional<PairMask> match_pair_mask(const engine::Matcher& m, const engine::ShapeProbe& probe, engine::ValueId id,
                                        bool keeps);

// Nodes that compute the steps of the keys' mask alone, [batch, 1, 1, length]; the last one's output is returned.
engine::ValueId add_key_mask(engine::Graph& graph, const PairMask& mask, std::vector<engine::Node>& nodes);

}  // namespace sesame::models
