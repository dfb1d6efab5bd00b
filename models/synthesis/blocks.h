// The pieces that architectures share, each as the exporter spells it. A module's nodes are named in the order in which
// they are added, so these functions add them in the exporter's order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/synthesis/graph_builder.h"
#include "models/synthesis/model_spec.h"

namespace sesame::models::synthesis {

// table[ids]; the table is [rows, width].
ValueId embedding(const Module& module, ValueId ids, std::int64_t rows, std::int64_t width);

// The first seq numbers of `position_ids`, [1, seq], where seq is the second dimension of `ids_shape_of`; in two parts,
// since exporters put other nodes between them.
ValueId sequence_length(const Module& module, ValueId ids_shape_of);
ValueId first_positions(const Module& module, ValueId position_ids, ValueId length);
engine::Tensor position_numbers(std::int64_t max_positions);  // 0, 1, 2, ... as int64 [1, max_positions]

// (x - mean) / sqrt(variance + epsilon) * weight + bias over the last axis.
ValueId layer_norm(const Module& module, ValueId x, std::int64_t size, float epsilon = 1e-12f);
// x * (erf(x / sqrt(2)) + 1) * 0.5
ValueId gelu(const Module& module, ValueId x);
// x * 0.5 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
ValueId gelu_new(const Module& module, ValueId x);
// x W + b over the last axis: MatMul and Add.
ValueId linear(const Module& module, ValueId x, std::int64_t in, std::int64_t out);
// x W^T + b with a table's rows as W: the decoder of a masked language model, tied to the embeddings.
ValueId tied_decoder(const Module& module, ValueId x, ValueId table, ValueId bias);
ValueId reshape(const Module& module, ValueId x, ValueId shape);
ValueId concat(const Module& module, std::vector<ValueId> parts);  // along axis 0
// x broadcast to a shape whose -1s leave a dimension as it is: Expand with what torch computes before it.
ValueId expand_to(const Module& module, ValueId x, const std::vector<ValueId>& dimensions);
// x W^T + b of a matrix: Gemm.
ValueId gemm(const Module& module, ValueId x, std::int64_t in, std::int64_t out);

// One dimension of x, a scalar: Shape and Gather.
ValueId dimension(const Module& module, ValueId x, std::int64_t axis);
// A scalar dimension as a list of one, for Concat.
ValueId as_list(const Module& module, ValueId scalar);

// 0 where the mask is 1 and the lowest float where it is 0, [batch, 1, 1, seq].
ValueId additive_mask(const Module& module, ValueId attention_mask);

// Row 0 of each sequence, [batch, hidden].
ValueId first_token(const Module& module, ValueId states);

// "BertForSequenceClassification" and the like of a prefix, "BertModel" for the encoder alone.
std::string class_name(const std::string& prefix, Task task);
// The encoder alone is the root; a model with a head holds it by name.
Module encoder_root(GraphBuilder& builder, const ModelSpec& spec, std::string_view name);

// Heads over the encoder's states [batch, seq, hidden]; each declares the graph's outputs.
void encoder_head(GraphBuilder& builder, ValueId states, const ModelSpec& spec);
void sequence_classification_head(GraphBuilder& builder, ValueId pooled, const ModelSpec& spec);
void token_classification_head(GraphBuilder& builder, ValueId states, const ModelSpec& spec);
void question_answering_head(GraphBuilder& builder, ValueId states, const ModelSpec& spec);

// The transpose of a matrix, a copy: the decoder of a masked language model is tied to the embedding table.
engine::Tensor transposed(const engine::Tensor& matrix);

}  // namespace sesame::models::synthesis
