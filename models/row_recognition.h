// Recognition of encoders whose layers are none of encoder.h's: by their attentions and what lies between.
#pragma once

#include <vector>

#include "engine/graph.h"
#include "engine/normal_forms/matcher.h"
#include "engine/row_table.h"
#include "engine/shape_probe.h"
#include "models/attention_pattern.h"
#include "models/recognition.h"

namespace sesame::models {

// A softmax over scores that is in no encoder.
struct LoneAttention {
  engine::ValueId softmax = engine::kNoValue;  // its output
  Unfused why;
};

// Replaces the encoders that are found around these attentions, each by a RowEncoderStep, and takes their attentions
// out of `alone`.
void recognise_row_encoders(engine::Graph& graph, AttentionPrecision precision, std::vector<LoneAttention>& alone,
                            Recognition& report);

// The node where matching stopped, what was expected there and what was found.
Unfused describe_mismatch(const engine::Matcher& m, const engine::Node& softmax, const Mismatch& why);

// Lowers report.position_rows to the longest sequence that a table has rows for, when its ids count the positions: id
// p + offset at position p. Ids that text gives, or no table, say nothing.
void limit_positions(const engine::ShapeProbe& probe, const engine::RowTable& table, engine::ValueId ids,
                     Recognition& report);

}  // namespace sesame::models
