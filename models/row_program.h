// What an encoder of another shape than BERT's (encoder.h) does to each row alone, as a list of operations.
//
// Pre-LayerNorm layers, bottlenecks, stacked feed-forward networks, grouped projections and norms that do not normalise
// are all made of the same few operations on rows; only their order differs. A program runs over a block of rows while
// they are in L2, as the layers of encoder.h do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "engine/linear.h"
#include "engine/row_table.h"
#include "engine/step.h"
#include "engine/tensor.h"
#include "kernels/table.h"
#include "models/encoder.h"
#include "models/ragged.h"

namespace sesame::models {

// Columns [column, column + width) of a buffer's rows.
struct RowView {
  std::size_t buffer = 0;
  std::size_t column = 0;
  std::size_t width = 0;

  bool operator==(const RowView&) const = default;
};

// Operations, each on every row of a block. `out` may be `x`, or lie beside it in the same buffer, never across it.
struct LoadRows {  // out = a row of a table by its id, or of a dense input
  std::size_t input = 0;
  engine::RowTable table;  // [rows, width]; undefined: the input is float, [batch or 1, length or 1, width]
  RowView out;
};
struct LinearRows {  // out = activation(x W + b) + residual
  engine::Linear linear;
  kernels::Activation activation = kernels::Activation::none;
  RowView x, out;
  bool adds_residual = false;
  RowView residual;
};
struct NormRows {
  LayerNorm norm;
  RowView x, out;
};
struct AffineRows {      // out = x * scale + shift
  engine::Tensor scale;  // [width], or undefined for 1
  engine::Tensor shift;  // [width], or undefined for 0
  RowView x, out;
};
struct ActivateRows {
  kernels::Activation activation = kernels::Activation::none;
  RowView x, out;
};
struct CombineRows {  // out = x + y, or x * y
  bool multiplies = false;
  RowView x, y, out;
};
struct CopyRows {
  RowView x, out;
};
struct FirstRows {  // out = the row of position 0; `x` is shared by all blocks
  RowView x, out;
};
struct StoreRows {  // into an output of the step, [batch, length, width], or [batch, width] of the first rows
  std::size_t output = 0;
  RowView x;
};

using RowOp =
    std::variant<LoadRows, LinearRows, NormRows, AffineRows, ActivateRows, CombineRows, CopyRows, FirstRows, StoreRows>;
using RowProgram = std::vector<RowOp>;

// Memory of the operation's weights, tables included, Linears not.
std::size_t weight_bytes(const RowOp& op);
// For one row.
double multiply_adds(const RowOp& op);

// Where the rows of a block are.
struct RowBlock {
  const engine::Execution& e;
  const RaggedBatch& ragged;
  std::size_t begin = 0;  // rows [begin, begin + count) of the batch; sequences when only their first rows are meant
  std::size_t count = 0;
  bool first_rows = false;
  std::span<float* const> buffers;          // the block's first row of each, the batch's with first_rows where shared
  std::span<const std::ptrdiff_t> strides;  // between rows of each
  std::byte* made = nullptr;                // [count][RowEncoder::made], rows as a Linear reads them
  float* scales = nullptr;                  // [count]

  std::size_t row(std::size_t m) const { return first_rows ? ragged.sequence(begin + m).first_row : begin + m; }
  float* at(const RowView& view, std::size_t m = 0) const {
    return buffers[view.buffer] + static_cast<std::ptrdiff_t>(m) * strides[view.buffer] + view.column;
  }
};

// Throws Error for an id outside its table.
void run(const RowProgram& program, const RowBlock& block);

}  // namespace sesame::models
