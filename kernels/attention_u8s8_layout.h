// What lies where in the scratch memory of attention_u8s8, and how it divides its queries. The same at every level.
// All parts begin on a multiple of 64 bytes.
//
//     queries  [queries, up to 16s][depth]    u8 rows; 128 past head_dim
//     keys     [keys/16][depth/4][16][4]      s8, as pack_s8 packs K transposed; past the last key its row again
//     values   [depth/16][keys/4][16][4]      s8, as pack_s8 packs V; past the last key its row again
//     query_scale, key_scale, value_scale     one float a token, up to 16s
//     key_init                                -128 * (sum of the key's values), int32 a key
//     sums     [rows of a block][stride]      int32 products; scores; then p'; then the products with V
//     p        [rows of a block][p_stride]    u8; 0 past the last key
//
// depth is head_dim up to 16s.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/pack.h"

namespace sesame::kernels {

struct AttentionU8S8Layout {
  static constexpr std::size_t kRows = 12;  // queries of a block at most; 12 x 512 scores are 24 KiB, half of an L1
  static constexpr std::size_t kAlign = 64;

  constexpr AttentionU8S8Layout(std::size_t query_count, std::size_t key_count, std::size_t head_dim)
      : depth(round_up(head_dim, kPanel)),
        key_steps((key_count + 3) / 4),
        stride(larger(round_up(key_count, kPanel), depth) + kPanel),
        p_stride(round_up(key_count, kAlign) + kAlign),
        queries(0),
        keys(after(queries, round_up(query_count, kPanel) * depth)),
        values(after(keys, round_up(key_count, kPanel) * depth)),
        query_scale(after(values, key_steps * 4 * depth)),
        key_scale(after(query_scale, round_up(query_count, kPanel) * sizeof(float))),
        value_scale(after(key_scale, round_up(key_count, kPanel) * sizeof(float))),
        key_init(after(value_scale, round_up(key_count, kPanel) * sizeof(float))),
        sums(after(key_init, round_up(key_count, kPanel) * sizeof(std::int32_t))),
        p(after(sums, kRows * stride * sizeof(float))),
        bytes(after(p, kRows * p_stride)) {}

  std::size_t depth;      // bytes of a query
  std::size_t key_steps;  // groups of 4 keys
  std::size_t stride;     // a line more than needed: rows a power of two apart would share the same few sets of L1
  std::size_t p_stride;
  std::size_t queries, keys, values, query_scale, key_scale, value_scale, key_init, sums, p, bytes;  // offsets

 private:
  static constexpr std::size_t larger(std::size_t a, std::size_t b) { return a < b ? b : a; }
  static constexpr std::size_t after(std::size_t begin, std::size_t size) { return begin + round_up(size, kAlign); }
};

}  // namespace sesame::kernels
