// An encoder layer in a graph of normal forms, found from its attention outward, and the embeddings before the first
// one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/graph.h"
#include "engine/normal_forms/matcher.h"
#include "engine/row_table.h"
#include "engine/shape_probe.h"
#include "models/attention_pattern.h"

namespace sesame::models {

struct LayerPattern {
  AttentionPattern attention;
  engine::ValueId input = engine::kNoValue;   // [batch, length, hidden]
  engine::ValueId output = engine::kNoValue;  // likewise
  // sesame.Linear nodes, LayerNormalization nodes and the activation, by index in the graph.
  const engine::Node* query = nullptr;
  const engine::Node* key = nullptr;
  const engine::Node* value = nullptr;
  const engine::Node* attn_out = nullptr;
  const engine::Node* attn_norm = nullptr;
  const engine::Node* ffn_in = nullptr;
  const engine::Node* activation = nullptr;
  const engine::Node* ffn_out = nullptr;
  const engine::Node* ffn_norm = nullptr;
};

// input -> LayerNorm(input + attn_out(attention)) = h -> LayerNorm(h + ffn_out(act(ffn_in(h)))) -> output
std::optional<LayerPattern> match_layer(const engine::Matcher& m, const engine::ShapeProbe& probe,
                                        const AttentionPattern& attention, Mismatch& why);

struct EmbeddingsPattern {
  struct Addend {
    engine::RowTable table;                    // [rows, hidden]; undefined: `input` is dense
    engine::ValueId input = engine::kNoValue;  // ids, or dense rows
  };
  std::vector<Addend> addends;
  const engine::Node* norm = nullptr;         // null: none
  engine::ValueId factor = engine::kNoValue;  // float [batch, length, 1] that the rows are multiplied by, or none
};

// LayerNorm(sum of gathered rows), or that times a factor a row. Anything else gives one dense addend, the value
// itself.
EmbeddingsPattern match_embeddings(const engine::Matcher& m, const engine::ShapeProbe& probe, engine::ValueId hidden);

// Whether a norm is over the last axis of [batch, length, hidden], with constant gamma and beta of its length, and
// gives no statistics.
bool is_affine_norm(const engine::Matcher& m, const engine::ShapeProbe& probe, const engine::Node& norm);

// The node that reads position 0 of the hidden state, when nothing else of it is read.
const engine::Node* first_row_reader(const engine::Matcher& m, engine::ValueId hidden);

}  // namespace sesame::models
