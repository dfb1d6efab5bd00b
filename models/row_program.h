// What an encoder of another shape than BERT's (encoder.h) does to each row alone, as a list of operations.
//
// Pre-LayerNorm layers, bottlenecks, stacked feed-forward networks, grouped projections and norms that do not normalise
// are all made of the same few operations on rows; only their order differs. A program runs over a block of rows while
// they are in L2, as the layers of encoder.h do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "engine/linear.h"
#include "engine/operators/quantization.h"
#include "engine/quantized_linear.h"
#include "engine/quantized_node.h"
#include "engine/row_table.h"
#include "engine/step.h"
#include "engine/tensor.h"
#include "kernels/table.h"
#include "models/encoder.h"
#include "models/ragged.h"
#include "models/row_buffers.h"

namespace sesame::models {

// Columns [column, column + width) of a buffer's rows.
struct RowView {
  std::size_t buffer = 0;
  std::size_t column = 0;
  std::size_t width = 0;

  bool operator==(const RowView&) const = default;
};

// A row, one number a row (a view of width 1), or a constant: a row of floats or bytes, or one number.
struct RowOperand {
  RowView view;
  engine::Tensor constant;

  bool is_constant() const { return static_cast<bool>(constant); }
};

// What the bytes of a tensor stand for: (q - zero_point) * scale. With a slot both come from the least and the greatest
// of all rows (RangeRows of an earlier program), unsigned.
struct ByteGrid {
  float scale = 1;
  kernels::ByteRange range{};
  std::optional<std::size_t> slot;
};

enum class RowFunction { erf, sigmoid, sqrt, mean };  // mean: of the row, one number

// Operations, each on every row of a block. `out` may be `x`, or lie beside it in the same buffer, never across it.
// Rows are floats where it does not say bytes.
struct LoadRows {  // out = a row of a table by its id, or of a dense input; floats or bytes
  std::size_t input = 0;
  engine::RowTable table;  // [rows, width]; undefined: the input is [batch or 1, length or 1, width]
  RowView out;
};
struct LinearRows {  // out = activation(x W + b) + residual
  engine::Linear linear;
  kernels::Activation activation = kernels::Activation::none;
  RowView x, out;
  bool adds_residual = false;
  RowView residual;
};
struct ByteLinearRows {  // bytes times bytes, out in the linear's output type
  std::shared_ptr<const engine::QuantizedLinear> linear;
  ByteGrid grid;  // of x
  RowView x, out;
};
struct NormRows {
  LayerNorm norm;
  bool by_steps = false;  // rounds as kernels' layernorm_steps_row
  RowView x, out;
};
struct ActivateRows {
  kernels::Activation activation = kernels::Activation::none;
  RowView x, out;
};
struct FunctionRows {
  RowFunction function = RowFunction::erf;
  RowView x, out;
};
struct CombineRows {  // out = x (+ - * /) y
  kernels::Combination how = kernels::Combination::add;
  RowOperand x, y;
  RowView out;
};
struct CopyRows {
  RowView x, out;
};
struct SpreadRows {  // bytes: all of out = x, which is one
  RowView x, out;
};
struct FirstRows {  // out = the row of position 0; `x` is shared by all blocks
  RowView x, out;
};
struct RangeRows {  // the least and the greatest of the whole tensor, and 0
  std::size_t slot = 0;
  RowView x;
};
struct QuantizeRows {  // bytes
  ByteGrid grid;
  RowView x, out;
};
struct DequantizeRows {  // of bytes
  ByteGrid grid;
  RowView x, out;
};
struct AddByteRows {  // bytes, as kernels' add_bytes_row
  kernels::ByteSum sum;
  RowOperand x, y;
  RowView out;
};
struct MultiplyByteRows {  // bytes
  engine::ByteProduct product;
  RowOperand x, y;
  RowView out;
};
struct StoreRows {  // into an output of the step, [batch, length, width], or [batch, width] of the first rows
  std::size_t output = 0;
  RowView x;
};

using RowOp = std::variant<LoadRows, LinearRows, ByteLinearRows, NormRows, ActivateRows, FunctionRows, CombineRows,
                           CopyRows, SpreadRows, FirstRows, RangeRows, QuantizeRows, DequantizeRows, AddByteRows,
                           MultiplyByteRows, StoreRows>;
using RowProgram = std::vector<RowOp>;

// Calls fn(view) for each view of the operation.
template <class Op, class Fn>
void for_each_view(Op& op, Fn&& fn) {
  const auto visit = [&](auto& operand) {
    if constexpr (requires { operand.view; }) {
      if (!operand.is_constant()) fn(operand.view);
    } else {
      fn(operand);
    }
  };
  std::visit(
      [&](auto& o) {
        if constexpr (requires { o.x; }) visit(o.x);
        if constexpr (requires { o.y; }) visit(o.y);
        if constexpr (requires { o.residual; }) {
          if (o.adds_residual) fn(o.residual);
        }
        if constexpr (requires { o.out; }) fn(o.out);
      },
      op);
}

// Whether it works on all rows of a block at once; what lies between two of these goes row by row.
bool takes_block(const RowOp& op);

// The slot that an operation's grid comes from, if it comes from one.
std::optional<std::size_t> slot_read_by(const RowOp& op);

// Memory of the operation's weights, tables included, Linears not.
std::size_t weight_bytes(const RowOp& op);
// For one row.
double multiply_adds(const RowOp& op);

// What RangeRows finds: a Range for each slot and block of rows.
struct RowRanges {
  kernels::Range* ranges = nullptr;  // [slots][blocks]
  std::size_t blocks = 0;

  kernels::Range& at(std::size_t slot, std::size_t block) const { return ranges[slot * blocks + block]; }
  // Over all rows.
  engine::DynamicParameters parameters(std::size_t slot) const;
};

// Where the rows of a block are.
struct RowBlock {
  const engine::Execution& e;
  const RaggedBatch& ragged;
  std::size_t index = 0;  // of the block
  std::size_t begin = 0;  // rows [begin, begin + count) of the batch; sequences when only their first rows are meant
  std::size_t count = 0;
  bool first_rows = false;
  std::span<std::byte* const> buffers;  // the block's first row of each, the batch's with first_rows where shared
  std::span<const RowBuffer> layout;    // of those buffers
  std::byte* made = nullptr;            // [count][RowEncoder::made], rows as a Linear reads them
  float* scales = nullptr;              // [count]
  std::byte* sums = nullptr;            // QuantizedLinear::scratch_bytes
  RowRanges ranges{};
  engine::DynamicParameters* parameters = nullptr;  // [slots], of those that the program reads

  std::size_t row(std::size_t m) const { return first_rows ? ragged.sequence(begin + m).first_row : begin + m; }
  std::byte* raw_at(const RowView& view, std::size_t m = 0) const {
    const RowBuffer& buffer = layout[view.buffer];
    return buffers[view.buffer] + m * buffer.row_bytes() + view.column * buffer.element_bytes();
  }
  float* at(const RowView& view, std::size_t m = 0) const { return reinterpret_cast<float*>(raw_at(view, m)); }
  std::uint8_t* bytes_at(const RowView& view, std::size_t m = 0) const {
    return reinterpret_cast<std::uint8_t*>(raw_at(view, m));
  }
  std::ptrdiff_t stride(const RowView& view) const { return static_cast<std::ptrdiff_t>(layout[view.buffer].stride()); }
};

// Throws Error for an id outside its table.
void run(const RowProgram& program, const RowBlock& block);

// Columns of a ByteLinearRows that are computed at a time.
inline constexpr std::size_t kByteColumns = 384;

}  // namespace sesame::models
