// Which attention kernel a layer runs, and the scratch of any.
#pragma once

#include <algorithm>
#include <cstddef>

#include "kernels/pack.h"
#include "kernels/table.h"
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

}  // namespace sesame::models
