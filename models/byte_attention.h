// One head of one sequence in the arithmetic of a graph that brings its own quantization: a product of queries and
// keys, a program on each query's scores, a product with the values. Products of bytes run on the int8 kernels.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "kernels/table.h"
#include "models/row_program.h"
#include "models/score_program.h"

namespace sesame::models {

// Of floats, a chain as kernels::GemmF32's; or of bytes:
//   y = float(sum (a - z_a) (b - z_b)) * (s_a s_b)            out as floats
//   y = saturate(round(float(..) * (s_a s_b / s_y)) + z_y)    out as bytes
struct ScoreProduct {
  bool of_bytes = true;
  ByteGrid a, b;              // of bytes
  std::optional<ByteGrid> y;  // out as bytes
};

struct ByteAttention {
  ScoreProduct scores;  // [queries][head_dim] by [keys][head_dim]
  ScoreProgram program;
  ScoreProduct context;  // [queries][keys] by [keys][head_dim]
};

// Where a head's rows begin; strides in bytes.
struct HeadRows {
  std::byte* data = nullptr;
  std::size_t stride = 0;
};

struct ByteAttentionHead {
  const kernels::Table& kernels;
  HeadRows q, k, v, out;
  std::size_t queries = 0, keys = 0, head_dim = 0;
  std::size_t first_query = 0;  // the position of the first
  ScoreRow scores;              // what all of the head's rows share
  std::byte* scratch = nullptr;
};

std::size_t byte_attention_scratch(std::size_t keys, std::size_t head_dim);

// `attention` has no slots any more.
void run(const ByteAttention& attention, const ByteAttentionHead& head);

}  // namespace sesame::models
