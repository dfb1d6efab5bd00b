#include "models/head_attention.h"

#include <algorithm>

#include "models/attention_kernel.h"

namespace sesame::models {

namespace {

// Of rows [first, first + count) of a sequence: those before the first one that the mask drops as a query.
std::size_t unmasked_queries(const Mask& mask, const Sequence& s, std::size_t first, std::size_t count) {
  if (mask.masked_queries == MaskedQueries::as_others) return count;
  if (mask.masked_queries == MaskedQueries::zero_without_keys) return s.flat ? 0 : count;
  if (mask.masked_queries == MaskedQueries::zero_where_nan) return s.empty ? 0 : count;
  const std::size_t end = s.flat ? s.begin : s.begin + s.keys;
  return first < end ? std::min(count, end - first) : 0;
}

// Queries from `begin` on, which the mask drops.
void attend_masked(const kernels::Table& kernels, const HeadAttention& attention, const Sequence& s, std::size_t begin,
                   HeadOperands operands) {
  operands.skip_queries(begin);
  kernels::AttentionF32& a = operands.floats;
  if (attention.mask.masked_queries != MaskedQueries::uniform) {
    for (std::size_t i = 0; i < a.queries; ++i) {
      std::fill_n(a.out + static_cast<std::ptrdiff_t>(i) * a.ldo, a.head_dim, 0.0f);
    }
    return;
  }
  a.keys = s.end - s.begin;  // every position has a row where such a query has one
  a.scale = 0;
  a.bias = nullptr;
  attend(kernels, attention.precision, operands);
}

}  // namespace

std::size_t head_attention_scratch(const RelativeAttention& relative, std::size_t length, std::size_t head_dim) {
  return attention_scratch(length, head_dim) + relative_scratch(relative, length, length);
}

void attend_head(const kernels::Table& kernels, const HeadAttention& attention, const RaggedBatch& ragged,
                 const Sequence& s, std::size_t head, std::size_t first, HeadOperands operands, std::byte* scratch) {
  kernels::AttentionF32& a = operands.floats;
  a.keys = s.keys;
  a.scale = s.flat ? 0 : attention.score_scale;
  a.bias = s.bias;
  a.ld_bias = 0;
  a.scratch = scratch;
  const std::size_t unmasked = unmasked_queries(attention.mask, s, first, a.queries);
  if (unmasked < a.queries) attend_masked(kernels, attention, s, unmasked, operands);
  if (unmasked == 0) return;
  a.queries = unmasked;
  if (attention.relative && !s.flat) {
    const Positions positions{ragged.positions(first, a.queries), ragged.positions(s.begin, a.keys)};
    add_relative_scores(attention.relative, head, positions, kernels,
                        scratch + attention_scratch(ragged.length(), a.head_dim), a);
  }
  add_query_biases(s, ragged.position(first), a);
  attend(kernels, attention.precision, operands);
  const bool clears = s.query_biases != nullptr && attention.mask.masked_queries == MaskedQueries::zero_where_nan;
  if (clears) clear_masked_queries(a);
}

}  // namespace sesame::models
