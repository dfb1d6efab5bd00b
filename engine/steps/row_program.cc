#include "engine/steps/row_program.h"

#include <algorithm>
#include <utility>

#include "engine/operators/common.h"
#include "kernels/pack.h"
#include "sesame/error.h"

namespace sesame::engine {

namespace {

using From = RowProgram::Source::From;
using Kind = RowProgram::Kind;

constexpr std::size_t kPiece = 1024;      // elements of a row that instructions take at a time: registers stay in L1
constexpr std::size_t kItem = 32 * 1024;  // elements of an item at least

bool is_whole_row(Kind kind) { return kind == Kind::layernorm || kind == Kind::layernorm_steps; }

class RowProgramStep final : public Step {
 public:
  explicit RowProgramStep(RowProgram program) : program_(std::move(program)) {
    for (const RowProgram::Instruction& i : program_.instructions) {
      needs_rows_ |= is_whole_row(i.kind);
      has_columns_ |= is_whole_row(i.kind) || i.a.from == From::vector || i.b.from == From::vector;
    }
    assign_registers();
  }

  void infer(Inference& io) const override {
    Shape shape;
    for (std::size_t i = 0; i < io.input_count(); ++i) shape = broadcast(shape, io.input(i).shape());
    const std::int64_t columns = shape.empty() ? 1 : shape.back();
    for (const RowProgram::Instruction& i : program_.instructions) {
      for (const RowProgram::Source* s : {&i.a, &i.b}) {
        if (s->from == From::input) check_input(io, s->index, i.kind, columns);
      }
      for (const Tensor* t : {&i.a.constant, &i.b.constant, &i.gamma, &i.beta}) {
        if (*t && t->size() != 1) check_shape("a vector", t->shape(), {columns});
      }
    }
    const bool bytes = program_.is_output_bytes();
    io.output(0, !bytes ? DType::f32 : program_.instructions.back().range.is_signed ? DType::i8 : DType::u8, shape);
  }

  std::size_t worker_scratch_bytes(std::span<const Tensor> inputs, std::span<const Tensor> outputs) const override {
    return registers_ * register_floats(cut(inputs, outputs[0])) * sizeof(float);
  }

  std::size_t items(const Execution& e, std::size_t) const override {
    const Cut c = cut(e.inputs, e.outputs[0]);
    return (c.rows + c.rows_per_item - 1) / c.rows_per_item;
  }

  void run(const Execution& e, std::size_t, std::size_t item, int worker) const override {
    const Cut c = cut(e.inputs, e.outputs[0]);
    const std::size_t end = std::min(c.rows, (item + 1) * c.rows_per_item);
    auto* scratch = reinterpret_cast<float*>(e.worker_scratch[static_cast<std::size_t>(worker)]);
    const std::size_t piece = needs_rows_ ? c.columns : kPiece;
    for (std::size_t row = item * c.rows_per_item; row < end; ++row) {
      for (std::size_t column = 0; column < c.columns; column += piece) {
        execute(e, c, row, column, std::min(piece, c.columns - column), scratch);
      }
    }
  }

 private:
  // The tensor as rows. Without vectors and LayerNorms its shape does not matter: rows are pieces of it.
  struct Cut {
    std::size_t rows, columns, rows_per_item;
    bool broadcasts;  // not every input has all rows
  };
  Cut cut(std::span<const Tensor> inputs, const Tensor& y) const {
    const auto size = static_cast<std::size_t>(y.size());
    if (size == 0) return {0, 1, 1, false};
    const bool broadcasts =
        std::any_of(inputs.begin(), inputs.end(), [&](const Tensor& t) { return t.shape() != y.shape(); });
    const std::size_t columns = y.rank() == 0 ? 1 : static_cast<std::size_t>(y.shape().back());
    if (has_columns_ || broadcasts) {
      return {size / columns, columns, std::max<std::size_t>(kItem / columns, 1), broadcasts};
    }
    return size % kItem == 0 ? Cut{size / kItem, kItem, 1, false} : Cut{1, size, 1, false};
  }

  static void check_input(const Inference& io, std::size_t i, Kind reader, std::int64_t columns) {
    const Tensor& x = io.input(i);
    if ((x.rank() == 0 ? 1 : x.shape().back()) != columns) {
      throw Error("input " + std::to_string(i) + " has shape " + to_string(x.shape()) + ", expected rows of " +
                  std::to_string(columns));
    }
    reader == Kind::dequantize ? check_type(io, i, ByteTypes{}) : check_type(io, i, Types<float>{});
  }

  // Where the row of the output begins in x, which is broadcast to it.
  static std::size_t row_of(const Tensor& x, const Shape& to, std::size_t row) {
    std::size_t offset = 0, stride = static_cast<std::size_t>(x.rank() == 0 ? 1 : x.shape().back());
    for (std::size_t i = 1; i < to.size(); ++i) {
      const auto dim = static_cast<std::size_t>(to[to.size() - 1 - i]);
      const auto own = i < x.rank() ? static_cast<std::size_t>(x.dim(x.rank() - 1 - i)) : 1;
      if (own != 1) offset += row % dim * stride;
      row /= dim;
      stride *= own;
    }
    return offset;
  }
  std::size_t register_floats(const Cut& c) const {
    return kernels::round_up(needs_rows_ ? c.columns : std::min(kPiece, c.columns), 16);
  }

  // A register is free again after the last instruction that reads it; that one may already write it.
  void assign_registers() {
    const auto& all = program_.instructions;
    std::vector<std::size_t> last_use(all.size(), 0), free;
    for (std::size_t i = 0; i < all.size(); ++i) {
      for (const RowProgram::Source* s : {&all[i].a, &all[i].b}) {
        if (s->from == From::result) last_use[s->index] = i;
      }
    }
    register_.resize(all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      for (std::size_t r = 0; r < i; ++r) {
        if (last_use[r] == i) free.push_back(register_[r]);
      }
      if (free.empty()) free.push_back(registers_++);
      register_[i] = free.back();
      free.pop_back();
    }
  }

  void execute(const Execution& e, const Cut& c, std::size_t row, std::size_t column, std::size_t n,
               float* scratch) const {
    const auto& all = program_.instructions;
    const std::size_t at = row * c.columns + column, stride = register_floats(c);
    const auto place = [&](std::size_t i) {
      return c.broadcasts ? row_of(e.inputs[i], e.outputs[0].shape(), row) + column : at;
    };
    const auto operand = [&](const RowProgram::Source& s) -> kernels::Operand {
      switch (s.from) {
        case From::input:
          return {e.inputs[s.index].data<float>() + place(s.index), false};
        case From::result:
          return {scratch + register_[s.index] * stride, false};
        case From::vector:
          return {s.constant.data<float>() + column, false};
        default:
          return {s.constant ? s.constant.data<float>() : nullptr, true};
      }
    };
    for (std::size_t i = 0; i < all.size(); ++i) {
      const RowProgram::Instruction& in = all[i];
      const bool last = i + 1 == all.size();
      float* y = last && in.kind != Kind::quantize ? e.outputs[0].data<float>() + at : scratch + register_[i] * stride;
      const kernels::Table& k = *e.kernels;
      if (in.kind == Kind::dequantize) {
        k.dequantize_row(static_cast<const std::uint8_t*>(e.inputs[in.a.index].raw()) + place(in.a.index), n,
                         in.parameter, in.range, y);
        continue;
      }
      const kernels::Operand a = operand(in.a);
      switch (in.kind) {
        case Kind::combine:
          k.combine_row(in.combination, a, operand(in.b), n, y);
          break;
        case Kind::erf:
          k.erf_row(a.data, n, y);
          break;
        case Kind::tanh:
          k.tanh_row(a.data, n, y);
          break;
        case Kind::layernorm:
          k.layernorm_row(a.data, in.gamma.data<float>(), in.beta.data<float>(), in.parameter, n, y);
          break;
        case Kind::layernorm_steps:
          k.layernorm_steps_row(a.data, in.gamma.data<float>(), in.beta.data<float>(), in.parameter, n, y);
          break;
        default:  // the output's bytes
          k.quantize_affine_row(a.data, n, in.parameter, in.range, static_cast<std::uint8_t*>(e.outputs[0].raw()) + at);
      }
    }
  }

  RowProgram program_;
  std::vector<std::size_t> register_;  // by instruction
  std::size_t registers_ = 0;
  bool needs_rows_ = false;   // an instruction takes whole rows
  bool has_columns_ = false;  // something depends on where in its row an element lies
};

}  // namespace

std::shared_ptr<const Step> make_row_program_step(RowProgram program) {
  return std::make_shared<RowProgramStep>(std::move(program));
}

}  // namespace sesame::engine
