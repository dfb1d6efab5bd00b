// The attention core of an encoder layer, found from its Softmax outward.
//
//   context = merge_heads(softmax(split_heads(q) split_heads(k)^T * scale + relative, masked) split_heads(v))
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "engine/graph.h"
#include "engine/normal_forms/matcher.h"
#include "engine/shape_probe.h"
#include "models/byte_attention.h"
#include "models/mask_pattern.h"
#include "models/ragged.h"
#include "models/relative_pattern.h"
#include "models/split_heads.h"

namespace sesame::models {

struct AttentionPattern {
  engine::ValueId query = engine::kNoValue;  // [batch, length, heads * head_dim], likewise key, value, context
  engine::ValueId key = engine::kNoValue;
  engine::ValueId value = engine::kNoValue;
  engine::ValueId context = engine::kNoValue;
  engine::ValueId softmax = engine::kNoValue;  // what it was found from
  std::size_t heads = 0;
  std::size_t head_dim = 0;
  float scale = 1;
  RelativePattern relative;
  engine::ValueId mask = engine::kNoValue;  // [batch, 1, 1, length] with any of the ones left out, unless pair_mask
  std::optional<PairMask> pair_mask;        // behind a mask of queries and keys
  Mask mask_meaning;
  // The mask is [batch or 1, .., length, length], and its meaning the graph's, see ragged_mask.
  bool query_mask = false;
  // Where the graph brings a quantization of its own inside it, and what its scores read beside the mask.
  std::shared_ptr<const ByteAttention> bytes;
  std::vector<engine::ValueId> score_inputs;
};

// What the mask means to a RaggedBatch.
Mask ragged_mask(const AttentionPattern& attention);

// Whether the node is a softmax over attention scores: over the last axis of [batch, heads, queries, keys].
bool is_attention_softmax(const engine::ShapeProbe& probe, const engine::Node& node);

// The core around such a softmax, or nothing and why.
std::optional<AttentionPattern> match_attention(const engine::Matcher& m, const engine::ShapeProbe& probe,
                                                const engine::Node& softmax, Mismatch& why);

// What is left of probabilities behind Where(IsNaN(p), 0, p), torch's answer to texts that the mask leaves nothing of;
// kNoValue when something else reads them.
engine::ValueId behind_nan_guard(const engine::Matcher& m, const engine::ShapeProbe& probe,
                                 engine::ValueId probabilities);

}  // namespace sesame::models
