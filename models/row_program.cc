#include "models/row_program.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <type_traits>

#include "engine/sigmoid.h"
#include "models/row_inputs.h"

namespace sesame::models {

using engine::DType;
using engine::Rows;

namespace {

// NaN stays NaN.
kernels::Range joined(const kernels::Range& a, const kernels::Range& b) {
  return {b.low < a.low || b.low != b.low ? b.low : a.low, b.high > a.high || b.high != b.high ? b.high : a.high};
}

class Running {
 public:
  explicit Running(const RowBlock& block) : b_(block), kernels_(*block.e.kernels) {}

  // --- On all rows of the block at once ---

  void whole(const LinearRows& op) {
    kernels::Epilogue epilogue;
    epilogue.activation = op.activation;
    if (op.adds_residual) {
      epilogue.residual = b_.at(op.residual);
      epilogue.ld_residual = b_.stride(op.residual);
    }
    const Rows rows = op.linear.make_rows(kernels_, b_.at(op.x), b_.stride(op.x), b_.count, b_.made, b_.scales);
    op.linear.run(kernels_, rows, b_.count, epilogue, b_.at(op.out), b_.stride(op.out));
  }

  void whole(const ByteLinearRows& op) {
    const ByteGrid grid = known(op.grid);
    const DType type = grid.range.is_signed ? DType::i8 : DType::u8;
    const engine::QuantizedLinear::Input input{type, b_.raw_at(op.x), b_.stride(op.x), grid.scale,
                                               grid.range.zero_point};
    const std::size_t all = op.linear->out_features();
    for (std::size_t begin = 0; begin < all; begin += kByteColumns) {
      op.linear->run(kernels_, input, b_.count, begin, std::min(kByteColumns, all - begin), b_.sums, b_.raw_at(op.out),
                     b_.stride(op.out));
    }
  }

  // --- Row by row ---

  void row(const LoadRows& op, std::size_t m) {
    const engine::Tensor& input = b_.e.inputs[op.input];
    const std::size_t row = b_.row(m);
    const std::byte* from = input_row(kernels_, op.table, op.out.width, input, b_.ragged.sequence_of(row),
                                      b_.ragged.position(row), b_.at(op.out, m));
    if (from != b_.raw_at(op.out, m)) copy(from, op.out, m);
  }

  void row(const NormRows& op, std::size_t m) {
    const LayerNorm& norm = op.norm;
    if (!op.by_steps) return normalize(kernels_, norm, b_.at(op.x, m), op.x.width, b_.at(op.out, m));
    kernels_.layernorm_steps_row(b_.at(op.x, m), norm.gamma.data<float>(), norm.beta.data<float>(), norm.epsilon,
                                 op.x.width, b_.at(op.out, m));
  }

  void row(const ActivateRows& op, std::size_t m) {
    kernels_.activation_row(op.activation, b_.at(op.x, m), op.x.width, b_.at(op.out, m));
  }

  void row(const FunctionRows& op, std::size_t m) {
    const float* x = b_.at(op.x, m);
    float* out = b_.at(op.out, m);
    switch (op.function) {
      case RowFunction::erf:
        return kernels_.erf_row(x, op.x.width, out);
      case RowFunction::sigmoid:
        return engine::sigmoid_row(kernels_, x, op.x.width, out);
      case RowFunction::sqrt:
        for (std::size_t n = 0; n < op.x.width; ++n) out[n] = std::sqrt(x[n]);
        return;
      case RowFunction::mean:
        *out = kernels_.sum_row(x, op.x.width) / static_cast<float>(op.x.width);
    }
  }

  void row(const CombineRows& op, std::size_t m) {
    const kernels::Operand x = operand(op.x, m), y = operand(op.y, m);
    float* out = b_.at(op.out, m);
    if (!x.is_one || !y.is_one) return kernels_.combine_row(op.how, x, y, op.out.width, out);
    kernels_.combine_row(op.how, {x.data, false}, y, 1, out);  // one number a row on both sides
  }

  void row(const CopyRows& op, std::size_t m) { copy(b_.raw_at(op.x, m), op.out, m); }

  void row(const SpreadRows& op, std::size_t m) {
    std::fill_n(b_.bytes_at(op.out, m), op.out.width, *b_.bytes_at(op.x, m));
  }

  void row(const FirstRows& op, std::size_t m) { copy(b_.raw_at(op.x, b_.row(m)), op.out, m); }

  void row(const RangeRows& op, std::size_t m) {
    const kernels::Range found = kernels_.range_row(b_.at(op.x, m), op.x.width);
    kernels::Range& all = b_.ranges.at(op.slot, b_.index);
    all = m == 0 ? found : joined(all, found);
  }

  void row(const QuantizeRows& op, std::size_t m) {
    const ByteGrid grid = known(op.grid);
    kernels_.quantize_affine_row(b_.at(op.x, m), op.x.width, grid.scale, grid.range, b_.bytes_at(op.out, m));
  }

  void row(const DequantizeRows& op, std::size_t m) {
    const ByteGrid grid = known(op.grid);
    kernels_.dequantize_row(b_.bytes_at(op.x, m), op.x.width, grid.scale, grid.range, b_.at(op.out, m));
  }

  void row(const AddByteRows& op, std::size_t m) {
    kernels_.add_bytes_row(bytes(op.x, m), bytes(op.y, m), op.out.width, op.sum, b_.bytes_at(op.out, m));
  }

  void row(const MultiplyByteRows& op, std::size_t m) {
    op.product.run(bytes(op.x, m), bytes(op.y, m), op.out.width, b_.bytes_at(op.out, m));
  }

  void row(const StoreRows& op, std::size_t m) {
    const std::size_t row = b_.row(m);
    const std::size_t place =
        b_.first_rows ? b_.begin + m : b_.ragged.sequence_of(row) * b_.ragged.length() + b_.ragged.position(row);
    const std::size_t bytes = op.x.width * b_.layout[op.x.buffer].element_bytes();
    std::memcpy(static_cast<std::byte*>(b_.e.outputs[op.output].raw()) + place * bytes, b_.raw_at(op.x, m), bytes);
  }

 private:
  void copy(const std::byte* from, const RowView& out, std::size_t m) {
    std::memcpy(b_.raw_at(out, m), from, out.width * b_.layout[out.buffer].element_bytes());
  }

  kernels::Operand operand(const RowOperand& x, std::size_t m) const {
    if (x.is_constant()) return {x.constant.data<float>(), x.constant.size() == 1};
    return {b_.at(x.view, m), x.view.width == 1};
  }

  const std::uint8_t* bytes(const RowOperand& x, std::size_t m) const {
    return x.is_constant() ? static_cast<const std::uint8_t*>(x.constant.raw()) : b_.bytes_at(x.view, m);
  }

  ByteGrid known(const ByteGrid& grid) const {
    if (!grid.slot) return grid;
    const engine::DynamicParameters& found = b_.parameters[*grid.slot];
    return {found.scale, {false, found.zero_point}, {}};
  }

  const RowBlock& b_;
  const kernels::Table& kernels_;
};

template <class Op>
constexpr bool is_whole = std::is_same_v<Op, LinearRows> || std::is_same_v<Op, ByteLinearRows>;

std::size_t bytes(const engine::Tensor& t) { return t ? t.bytes() : 0; }

}  // namespace

bool takes_block(const RowOp& op) {
  return std::visit([](const auto& o) { return is_whole<std::decay_t<decltype(o)>>; }, op);
}

std::optional<std::size_t> slot_read_by(const RowOp& op) {
  return std::visit(
      [](const auto& o) -> std::optional<std::size_t> {
        if constexpr (requires { o.grid; }) return o.grid.slot;
        return std::nullopt;
      },
      op);
}

engine::DynamicParameters RowRanges::parameters(std::size_t slot) const {
  kernels::Range all = at(slot, 0);
  for (std::size_t block = 1; block < blocks; ++block) all = joined(all, at(slot, block));
  return engine::dynamic_parameters(all);
}

std::size_t weight_bytes(const RowOp& op) {
  if (const auto* load = std::get_if<LoadRows>(&op)) return load->table.bytes();
  if (const auto* norm = std::get_if<NormRows>(&op)) return bytes(norm->norm.gamma) + bytes(norm->norm.beta);
  return std::visit(
      [](const auto& o) -> std::size_t {
        if constexpr (requires { o.y.constant; }) return bytes(o.x.constant) + bytes(o.y.constant);
        return 0;
      },
      op);
}

double multiply_adds(const RowOp& op) {
  if (const auto* linear = std::get_if<ByteLinearRows>(&op)) {
    return static_cast<double>(linear->linear->in_features()) * static_cast<double>(linear->out.width);
  }
  const auto* linear = std::get_if<LinearRows>(&op);
  if (linear == nullptr) return 0;
  return static_cast<double>(linear->linear.in_features()) * static_cast<double>(linear->out.width);
}

void run(const RowProgram& program, const RowBlock& block) {
  for (const RowOp& op : program) {
    if (const auto slot = slot_read_by(op)) block.parameters[*slot] = block.ranges.parameters(*slot);
  }
  Running running(block);
  for (auto begin = program.begin(); begin != program.end();) {
    if (takes_block(*begin)) {
      std::visit(
          [&](const auto& op) {
            if constexpr (is_whole<std::decay_t<decltype(op)>>) running.whole(op);
          },
          *begin++);
      continue;
    }
    // A row goes through all of these while it is in L1.
    const auto end = std::find_if(begin, program.end(), takes_block);
    for (std::size_t m = 0; m < block.count; ++m) {
      for (auto each = begin; each != end; ++each) {
        std::visit(
            [&](const auto& op) {
              if constexpr (!is_whole<std::decay_t<decltype(op)>>) running.row(op, m);
            },
            *each);
      }
    }
    begin = end;
  }
}

}  // namespace sesame::models
