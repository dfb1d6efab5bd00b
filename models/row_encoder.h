// An encoder whose layers have another shape than encoder.h's: programs on rows, with attention between them.
//
//   rows, programs[0], attentions[0], programs[1], .., attentions[n - 1], programs[n]
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "models/ragged.h"
#include "models/row_program.h"
#include "sesame/sesame.h"

namespace sesame::models {

struct RowAttention {
  std::size_t heads = 0;
  std::size_t head_dim = 0;
  float score_scale = 0;
  AttentionPrecision precision = AttentionPrecision::fp32;  // or int8
  RowView query, key, value, context;                       // shared buffers, heads * head_dim wide
};

struct RowBuffer {
  std::size_t width = 0;
  bool shared = false;     // holds all rows, from program to program; otherwise a block's, inside one
  std::size_t offset = 0;  // where it begins in its memory, in floats for each row of it
};

struct RowEncoder {
  struct Input {
    bool is_table = false;  // gives ids, not rows
    std::size_t width = 0;
  };
  std::vector<Input> inputs;         // of the step; its mask follows
  std::vector<std::size_t> outputs;  // widths of the step's
  std::vector<RowBuffer> buffers;
  std::size_t shared_floats = 0;  // for each row
  std::size_t block_floats = 0;   // for each row of a block
  std::size_t made = 0;           // bytes of a row as some Linear reads it, where that is not floats
  std::vector<RowProgram> programs;
  std::vector<RowAttention> attentions;
  Mask mask;
  // Only position 0 of each sequence is read: the last attention and the last program compute no other row.
  bool first_row_only = false;

  std::size_t weight_bytes() const;
  // One line a struct, for people.
  std::vector<std::string> describe() const;
};

// Gives the buffers their offsets, by when they are written and read, and sets what they need together.
void place_buffers(RowEncoder& encoder);

// Multiply-adds of linears and attention in one pass over sequences of these lengths.
double multiply_adds(const RowEncoder& encoder, std::span<const std::size_t> lengths);

}  // namespace sesame::models
