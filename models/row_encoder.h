// An encoder whose layers have another shape than encoder.h's: programs on rows, with attention between them.
//
//   rows, programs[0], attentions behind it, programs[1], .., programs[n]
//
// Most encoders have an attention between two programs. One that quantizes by the least and the greatest of a whole
// tensor has programs that end where those are found.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/byte_attention.h"
#include "models/ragged.h"
#include "models/relative_attention.h"
#include "models/row_buffers.h"
#include "models/row_program.h"
#include "sesame/sesame.h"

namespace sesame::models {

struct RowAttention {
  std::size_t program = 0;  // it runs behind this one, before the next
  std::size_t heads = 0;
  std::size_t head_dim = 0;
  float score_scale = 0;
  AttentionPrecision precision = AttentionPrecision::fp32;  // or int8
  RowView query, key, value, context;                       // shared buffers, heads * head_dim wide
  RelativeAttention relative;                               // of positions; most have none
  // Where the graph brings a quantization of its own: in place of scale and precision.
  std::shared_ptr<const ByteAttention> bytes;
  std::vector<std::size_t> score_inputs;  // of its program, by number among the step's inputs
};

struct RowEncoder {
  struct Input {
    std::optional<engine::DType> type;  // of rows; nothing where it gives ids of a table's
    std::size_t width = 0;

    bool operator==(const Input&) const = default;
  };
  struct Output {
    engine::DType type;
    std::size_t width = 0;
  };
  std::vector<Input> inputs;  // of the step; its mask follows, and what byte attention reads beside it
  std::vector<Output> outputs;
  std::vector<RowBuffer> buffers;
  std::size_t shared_bytes = 0;  // for each row
  std::size_t block_bytes = 0;   // for each row of a block
  std::size_t made = 0;          // bytes of a row as some Linear reads it, where that is not floats
  std::size_t sums = 0;          // bytes of scratch that a ByteLinearRows takes for a block
  std::size_t slots = 0;         // of RangeRows
  std::vector<RowProgram> programs;
  std::vector<RowAttention> attentions;
  Mask mask;
  // Only position 0 of each sequence is read: the last attention and the last program compute no other row.
  bool first_row_only = false;
  // Padding counts: something is found from all rows of a tensor.
  bool all_rows = false;

  bool is_pruned(std::size_t program) const { return first_row_only && program + 1 == programs.size(); }
  bool is_pruned(const RowAttention& a) const { return is_pruned(a.program + 1); }
  std::size_t weight_bytes() const;
  // One line a struct, for people.
  std::vector<std::string> describe() const;
};

// Gives the buffers their offsets, by when they are written and read, and sets what they need together.
void place_buffers(RowEncoder& encoder);

// Multiply-adds of linears and attention in one pass over sequences of these lengths.
double multiply_adds(const RowEncoder& encoder, std::span<const std::size_t> lengths);

}  // namespace sesame::models
