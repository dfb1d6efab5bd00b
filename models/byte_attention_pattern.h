// The attention core in a graph that quantizes inside it, found from its softmax outward: products of bytes, and
// whatever rounds the scores between them.
#pragma once

#include <optional>

#include "engine/graph.h"
#include "engine/normal_forms/matcher.h"
#include "engine/shape_probe.h"
#include "models/attention_pattern.h"

namespace sesame::models {

// Whether scores or probabilities are quantized between the softmax and a product.
bool is_byte_attention(const engine::Matcher& m, const engine::ShapeProbe& probe, const engine::Node& softmax);

// The core around such a softmax, or nothing and why. A mask that a float softmax follows directly is a mask of
// keys as everywhere; one that is quantized with the scores is an input of theirs, for which padding counts.
std::optional<AttentionPattern> match_byte_attention(const engine::Matcher& m, const engine::ShapeProbe& probe,
                                                     const engine::Node& softmax, Mismatch& why);

}  // namespace sesame::models
