// One attention head in a layer's precision, from rows of floats or of bytes.
#pragma once

#include <cstddef>

#include "kernels/table.h"
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

}  // namespace sesame::models
