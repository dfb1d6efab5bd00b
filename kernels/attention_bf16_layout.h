// What lies where in the scratch memory of attention_bf16, in floats. The same at every level.
//
// A level holds a value rounded to bf16 as a float, or two of them, even one low, in the 4 bytes of a float where it
// has an instruction for pairs. The first way gives a pair to a fused multiply-add each, so its odd value lies first.
//
//     keys     [keys/16][head_dim up to 2s][16]    K transposed into panels; past the last key its row again
//     values   [head_dim/16][keys up to 2s][16]    V in panels; 0 past head_dim and past the last key
//     queries  [rows of a block][query_stride]
//     scores   [rows of a block][score_stride]
//     p        [rows of a block][score_stride]
//     staging  [head_dim or keys][16]              a panel before it is rounded
#pragma once

#include <cstddef>

#include "kernels/attention_layout.h"

namespace sesame::kernels {

struct AttentionBf16Layout {
  constexpr AttentionBf16Layout(std::size_t key_count, std::size_t head_dim)
      : query_stride(round_up(head_dim, kPanel) + kPanel),
        score_stride(attention_score_stride(key_count)),
        values(round_up(key_count, kPanel) * round_up(head_dim, 2)),
        queries(values + round_up(key_count, 2) * round_up(head_dim, kPanel)),
        scores(queries + kAttentionRows * query_stride),
        p(scores + kAttentionRows * score_stride),
        staging(p + kAttentionRows * score_stride),
        size(staging + (key_count < head_dim ? head_dim : key_count) * kPanel) {}

  std::size_t query_stride, score_stride;
  std::size_t values, queries, scores, p, staging, size;  // where each begins; keys at 0
};

}  // namespace sesame::kernels
