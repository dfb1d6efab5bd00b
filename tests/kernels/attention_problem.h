// The operands of one attention head, for the tests of every precision.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "kernels/table.h"
#include "tests/kernels/fenced.h"
#include "tests/kernels/row_values.h"

namespace sesame::kernels {

struct AttentionShape {
  std::size_t queries, keys, head_dim;
};

// One head among others: rows are `gap` floats longer than the head, and the last row ends where memory does.
struct AttentionProblem {
  AttentionProblem(AttentionShape s, std::size_t gap, bool with_bias)
      : shape(s),
        ld(static_cast<std::ptrdiff_t>(s.head_dim + gap)),
        q(matrix(s.queries, s.head_dim, gap, 21)),
        k(matrix(s.keys, s.head_dim, gap, 22)),
        v(matrix(s.keys, s.head_dim, gap, 23)),
        bias(normal_row(s.queries * s.keys, 24)),
        has_bias(with_bias) {}

  static std::vector<float> matrix(std::size_t rows, std::size_t columns, std::size_t gap, unsigned seed) {
    return normal_row((rows - 1) * (columns + gap) + columns, seed + static_cast<unsigned>(rows));
  }

  AttentionF32 arguments(float* out, std::byte* scratch) {
    return {.q = q.data(),
            .ldq = ld,
            .k = k.data(),
            .ldk = ld,
            .v = v.data(),
            .ldv = ld,
            .queries = shape.queries,
            .keys = shape.keys,
            .head_dim = shape.head_dim,
            .scale = 1 / std::sqrt(static_cast<float>(shape.head_dim)),
            .bias = has_bias ? bias.data() : nullptr,
            .ld_bias = static_cast<std::ptrdiff_t>(shape.keys),
            .out = out,
            .ldo = static_cast<std::ptrdiff_t>(shape.head_dim),
            .scratch = scratch};
  }
  float* key(std::size_t j) { return k.data() + static_cast<std::ptrdiff_t>(j) * ld; }
  float* value(std::size_t j) { return v.data() + static_cast<std::ptrdiff_t>(j) * ld; }

  AttentionShape shape;
  std::ptrdiff_t ld;
  Fenced<float> q, k, v, bias;
  bool has_bias;
};

}  // namespace sesame::kernels
