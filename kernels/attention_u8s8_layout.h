// What lies where in the scratch memory of attention_u8s8. The same at every level. All parts begin on a multiple of 64
// bytes.
//
//     values        [head_dim/16][keys/4][16][4]    s8, as pack_s8 packs V; 0 past the last key
//     key_factor    [keys]                          float, of scores
//     shift         [keys]                          float, what a value's scale adds to scores: L of table.h
//     unshift       [keys]                          float, u
//     value_factor  [keys]                          float, from exponentials to weights
//     queries       [kQueryPanels][depth/4][16][4]  s8, a block's, as pack_s8 packs Q transposed; past the last query
//                                                   its row again
//     query_init    [kQueryPanels][16]              int32, -128 * (sum of the query's values)
//     staging       [16][depth]                     u8, rows of another length than a multiple of 16; 128 behind it
//     scores        [kQueryPanels][keys][16]        float; then, from each panel's begin on, weights as bytes
//
// depth is head_dim up to 16s. Panels are of 16 columns.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/pack.h"

namespace sesame::kernels {

struct AttentionU8S8Layout {
  static constexpr std::size_t kQueryPanels = 2;  // of a block at most
  static constexpr std::size_t kAlign = 64;

  constexpr AttentionU8S8Layout(std::size_t key_count, std::size_t head_dim)
      : depth(round_up(head_dim, kPanel)),
        key_steps((key_count + 3) / 4),
        values(0),
        key_factor(after(values, key_steps * 4 * depth)),
        shift(after(key_factor, key_count * sizeof(float))),
        unshift(after(shift, key_count * sizeof(float))),
        value_factor(after(unshift, key_count * sizeof(float))),
        queries(after(value_factor, key_count * sizeof(float))),
        query_init(after(queries, kQueryPanels * kPanel * depth)),
        staging(after(query_init, kQueryPanels * kPanel * sizeof(std::int32_t))),
        scores(after(staging, kPanel * depth)),
        bytes(after(scores, kQueryPanels * key_steps * 4 * kPanel * sizeof(float))) {}

  std::size_t depth;
  std::size_t key_steps;  // groups of 4 keys
  std::size_t values, key_factor, shift, unshift, value_factor, queries, query_init, staging, scores, bytes;  // offsets

 private:
  static constexpr std::size_t after(std::size_t begin, std::size_t size) { return begin + round_up(size, kAlign); }
};

}  // namespace sesame::kernels
