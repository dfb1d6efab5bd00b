// What lies where in the scratch memory of attention_f32, and how it divides its queries. The same at every level.
//
//     keys     [keys/16][head_dim][16]   K transposed into panels of 16 keys; past the last key its row again
//     values   [head_dim/16][keys][16]   V in panels of 16 columns; 0 past head_dim
//     scores   [rows of a block][score_stride]
#pragma once

#include <cstddef>

#include "kernels/pack.h"

namespace sesame::kernels {

// Queries of a block at most; a level may use fewer, which changes no bit.
inline constexpr std::size_t kAttentionRows = 13;

constexpr std::size_t attention_keys_size(std::size_t keys, std::size_t head_dim) {
  return round_up(keys, kPanel) * head_dim;
}
constexpr std::size_t attention_values_size(std::size_t keys, std::size_t head_dim) {
  return keys * round_up(head_dim, kPanel);
}

// A cache line more than the scores need: rows a power of two apart would share the same few sets of L1.
constexpr std::size_t attention_score_stride(std::size_t keys) { return round_up(keys, kPanel) + kPanel; }

}  // namespace sesame::kernels
