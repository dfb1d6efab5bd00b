// One attention head in a layer's precision, from rows of floats or of bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>

#include "kernels/table.h"
#include "models/ragged.h"
#include "sesame/sesame.h"

namespace sesame::models {

// Whether int8 attention over so many keys is exact. A longer sequence is attended to in fp32, whatever the batch.
bool fits_int8(std::size_t keys, std::size_t head_dim);

// A head's operands. `floats` without its q, k and v where there are bytes.
struct HeadOperands {
  kernels::AttentionF32 floats{};
  kernels::TokenBytes q{}, k{}, v{};  // null for none

  bool has_bytes() const { return q.bytes != nullptr; }
  // Drops the first `count` queries.
  void skip_queries(std::size_t count);
};

// floats.scratch has attention_scratch(..) bytes. In int8 floats are quantized there first.
void attend(const kernels::Table& kernels, AttentionPrecision precision, const HeadOperands& head);

// For sequences up to `length`, in any precision.
std::size_t attention_scratch(std::size_t length, std::size_t head_dim);

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
