// A model with made-up weights, in the layout and the graph of the usual export: for measuring and for tests, with
// nothing to download.
#pragma once

#include <filesystem>

#include "engine/graph.h"
#include "models/synthesis/model_spec.h"

namespace sesame::models::synthesis {

// The graph as torch's exporter writes it at opset 14, with Constant nodes. Inputs int64 [batch_size, sequence_length]:
// input_ids, attention_mask, and token_type_ids where the architecture has them. Outputs float32: logits, or
// last_hidden_state (and BERT's pooler_output), or start_logits and end_logits. The same spec gives the same bits.
// Memory: the weights once. Throws Error as check() does.
engine::Graph make_graph(const ModelSpec& spec);

// Writes model.onnx, config.json, tokenizer_config.json, special_tokens_map.json and the tokenizer's own files
// (vocab.txt, or vocab.json and merges.txt, or tokenizer.json) into `folder`, which is made when it is not there; files
// of those names are replaced, others stay. model.onnx comes last, after the one before it has gone, so that an
// interrupted run leaves no model or a whole one. Throws Error as check() does, or when a file cannot be written.
void make_model(const ModelSpec& spec, const std::filesystem::path& folder);

}  // namespace sesame::models::synthesis
