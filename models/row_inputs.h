// Inputs that give a row for each position: ids of a table's rows, or the rows themselves, and the mask beside them.
#pragma once

#include <cstddef>
#include <optional>

#include "engine/row_table.h"
#include "engine/step.h"
#include "engine/tensor.h"
#include "models/ragged.h"

namespace sesame::models {

// What follows from the shapes of the inputs. They may broadcast over the batch or the length (position ids are
// [1, length]): one that is not 1 decides.
struct InputSizes {
  std::size_t batch = 1;
  std::size_t length = 1;
};

// The row of `table` that the id at [sequence, position] means, or of a dense input [.., width] where there is no
// table; where it lies, of the type that it has there, or made in `room`, [width]. The input may broadcast over batch
// or length. Throws Error for an id outside the table.
const std::byte* input_row(const kernels::Table& kernels, const engine::RowTable& table, std::size_t width,
                           const engine::Tensor& input, std::size_t sequence, std::size_t position, float* room);

// Widens `sizes` by what the input says of batch and length.
void join_sizes(bool is_table, const engine::Tensor& input, InputSizes& sizes);

// Throws Error for an input of another type (`type` that of dense rows, nothing for ids), or whose shape does not
// broadcast to [batch, length] or [.., width].
void check_row_input(std::optional<engine::DType> type, std::size_t width, const engine::Tensor& input,
                     const InputSizes& sizes);

// Throws Error for a mask of another type, or that has more than a value for each position of each sequence.
void check_key_mask(MaskKind kind, const engine::Tensor& mask, const InputSizes& sizes);

}  // namespace sesame::models
