// Which attention kernel a layer runs, and the scratch of any.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>

#include "kernels/pack.h"
#include "kernels/table.h"
#include "models/ragged.h"
#include "sesame/sesame.h"

namespace sesame::models {

// The int8 kernel's sums are exact up to kMaxK keys; a longer sequence runs in fp32, whatever the batch.
inline auto attention_kernel(const kernels::Table& kernels, AttentionPrecision precision, std::size_t keys,
                             std::size_t head_dim) {
  const bool exact = keys <= kernels::kMaxK && head_dim <= kernels::kMaxK;
  if (precision == AttentionPrecision::int8 && exact) return kernels.attention_u8s8;
  return precision == AttentionPrecision::bf16 ? kernels.attention_bf16 : kernels.attention_f32;
}

inline std::size_t attention_scratch(std::size_t length, std::size_t head_dim) {
  return std::max({kernels::attention_f32_scratch(length, length, head_dim),
                   kernels::attention_bf16_scratch(length, length, head_dim),
                   kernels::attention_u8s8_scratch(length, length, head_dim)});
}

// The biases of `a`'s queries, the first of which is at `position` of the sequence, where the mask has one for each.
inline void add_query_biases(const Sequence& s, std::size_t position, kernels::AttentionF32& a) {
  if (s.query_biases == nullptr) return;
  a.bias = s.query_biases + position * a.keys;
  a.ld_bias = static_cast<std::ptrdiff_t>(a.keys);
}

// Clears the context of those queries to all of whose scores the mask adds -infinity.
inline void clear_masked_queries(const kernels::AttentionF32& a) {
  for (std::size_t m = 0; m < a.queries; ++m) {
    const float* bias = a.bias + static_cast<std::ptrdiff_t>(m) * a.ld_bias;
    const float nothing = -std::numeric_limits<float>::infinity();
    const bool masked = std::all_of(bias, bias + a.keys, [&](float b) { return b == nothing; });
    if (masked) std::fill_n(a.out + static_cast<std::ptrdiff_t>(m) * a.ldo, a.head_dim, 0.0f);
  }
}

}  // namespace sesame::models
