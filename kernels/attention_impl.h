// attention_f32 of table.h, written once over lanes.h. attention_<level>.cc includes this once a level.
//
// Keys and values are packed once a call. Then a block of queries at a time: its scores, tile by tile; exp of each row
// and its sum; the context, tile by tile. The scores of a block (13 x 512 floats are 26 KiB) stay in L1.
#pragma once

#include "kernels/attention_pack.h"
#include "kernels/attention_tile.h"
#include "kernels/softmax_impl.h"
#include "kernels/table.h"

namespace sesame::kernels::SESAME_LEVEL {

struct PackedAttention {
  const float* keys;  // attention_layout.h
  const float* values;
  float* scores;
};

SESAME_INLINE PackedAttention pack_attention(const AttentionF32& a) {
  float* keys = reinterpret_cast<float*>(a.scratch);
  float* values = keys + attention_keys_size(a.keys, a.head_dim);
  pack_keys(a.k, a.ldk, a.keys, a.head_dim, keys);
  pack_values(a.v, a.ldv, a.keys, a.head_dim, values);
  return {keys, values, values + attention_values_size(a.keys, a.head_dim)};
}

// Queries [begin, begin + rows), rows <= kTileRows.
inline void attend_block(const AttentionF32& a, const PackedAttention& packed, std::size_t begin, std::size_t rows) {
  const auto first_row = static_cast<std::ptrdiff_t>(begin);
  const auto stride = static_cast<std::ptrdiff_t>(attention_score_stride(a.keys));
  float factor[kAttentionRows];
  for (std::size_t r = 0; r < rows; ++r) factor[r] = a.scale;
  multiply_rows(rows, {.a = a.q + first_row * a.ldq,
                       .lda = a.ldq,
                       .b = packed.keys,
                       .depth = a.head_dim,
                       .columns = a.keys,
                       .factor = factor,
                       .bias = a.bias ? a.bias + first_row * a.ld_bias : nullptr,
                       .ld_bias = a.ld_bias,
                       .c = packed.scores,
                       .ldc = stride});
  for (std::size_t r = 0; r < rows; ++r) {
    float* row = packed.scores + static_cast<std::ptrdiff_t>(r) * stride;
    factor[r] = 1.0f / exp_minus_max_row(row, a.keys, row);
  }
  multiply_rows(rows, {.a = packed.scores,
                       .lda = stride,
                       .b = packed.values,
                       .depth = a.keys,
                       .columns = a.head_dim,
                       .factor = factor,
                       .bias = nullptr,
                       .ld_bias = 0,
                       .c = a.out + first_row * a.ldo,
                       .ldc = a.ldo});
}

void attention_f32(const AttentionF32& a) {
  const PackedAttention packed = pack_attention(a);
  const std::size_t blocks = (a.queries + kTileRows - 1) / kTileRows;
  std::size_t begin = 0;
  for (std::size_t block = 0; block < blocks; ++block) {
    const std::size_t rows = (a.queries - begin + blocks - block - 1) / (blocks - block);  // split evenly
    attend_block(a, packed, begin, rows);
    begin += rows;
  }
}

}  // namespace sesame::kernels::SESAME_LEVEL
