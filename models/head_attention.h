// Attention of one head of one sequence, whatever its mask and its relative positions say.
#pragma once

#include <cstddef>

#include "kernels/table.h"
#include "models/attention_kernel.h"
#include "models/ragged.h"
#include "models/relative_attention.h"
#include "sesame/sesame.h"

namespace sesame::models {

struct HeadAttention {
  AttentionPrecision precision = AttentionPrecision::fp32;  // not automatic
  float score_scale = 0;
  const RelativeAttention& relative;
  const Mask& mask;
};

// Bytes of scratch for sequences of up to `length` positions.
std::size_t head_attention_scratch(const RelativeAttention& relative, std::size_t length, std::size_t head_dim);

// `operands` has the sequence's keys and its queries, rows [first, first + queries) of the batch, their strides and
// head_dim; scale, bias and scratch are filled in. Queries that the mask drops get what the mask says.
void attend_head(const kernels::Table& kernels, const HeadAttention& attention, const RaggedBatch& ragged,
                 const Sequence& s, std::size_t head, std::size_t first, HeadOperands operands, std::byte* scratch);

}  // namespace sesame::models
