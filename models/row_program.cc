#include "models/row_program.h"

#include <algorithm>
#include <optional>

#include "models/row_inputs.h"

namespace sesame::models {

using engine::Linear;
using engine::Rows;

namespace {

class Running {
 public:
  explicit Running(const RowBlock& block) : b_(block), kernels_(*block.e.kernels) {}

  void operator()(const LoadRows& op) {
    const engine::Tensor& input = b_.e.inputs[op.input];
    for (std::size_t m = 0; m < b_.count; ++m) {
      const std::size_t row = b_.row(m);
      float* const to = b_.at(op.out, m);
      const float* from =
          input_row(kernels_, op.table, op.out.width, input, b_.ragged.sequence_of(row), b_.ragged.position(row), to);
      if (from != to) std::copy_n(from, op.out.width, to);
    }
  }

  void operator()(const LinearRows& op) {
    kernels::Epilogue epilogue;
    epilogue.activation = op.activation;
    if (op.adds_residual) {
      epilogue.residual = b_.at(op.residual);
      epilogue.ld_residual = b_.strides[op.residual.buffer];
    }
    const Rows rows = op.linear.make_rows(kernels_, b_.at(op.x), b_.strides[op.x.buffer], b_.count, b_.made, b_.scales);
    op.linear.run(kernels_, rows, b_.count, epilogue, b_.at(op.out), b_.strides[op.out.buffer]);
  }

  void operator()(const NormRows& op) {
    for (std::size_t m = 0; m < b_.count; ++m) {
      normalize(kernels_, op.norm, b_.at(op.x, m), op.x.width, b_.at(op.out, m));
    }
  }

  void operator()(const AffineRows& op) {
    for (std::size_t m = 0; m < b_.count; ++m) {
      const float* x = b_.at(op.x, m);
      float* out = b_.at(op.out, m);
      if (op.scale) {
        const float* scale = op.scale.data<float>();
        for (std::size_t n = 0; n < op.x.width; ++n) out[n] = x[n] * scale[n];
        x = out;
      }
      if (op.shift) {
        const float* shift = op.shift.data<float>();
        for (std::size_t n = 0; n < op.x.width; ++n) out[n] = x[n] + shift[n];
      }
    }
  }

  void operator()(const ActivateRows& op) {
    for (std::size_t m = 0; m < b_.count; ++m) {
      kernels_.activation_row(op.activation, b_.at(op.x, m), op.x.width, b_.at(op.out, m));
    }
  }

  void operator()(const CombineRows& op) {
    for (std::size_t m = 0; m < b_.count; ++m) {
      const float* x = b_.at(op.x, m);
      const float* y = b_.at(op.y, m);
      float* out = b_.at(op.out, m);
      if (op.multiplies) {
        for (std::size_t n = 0; n < op.x.width; ++n) out[n] = x[n] * y[n];
      } else {
        for (std::size_t n = 0; n < op.x.width; ++n) out[n] = x[n] + y[n];
      }
    }
  }

  void operator()(const CopyRows& op) {
    for (std::size_t m = 0; m < b_.count; ++m) std::copy_n(b_.at(op.x, m), op.x.width, b_.at(op.out, m));
  }

  void operator()(const FirstRows& op) {
    for (std::size_t m = 0; m < b_.count; ++m) std::copy_n(b_.at(op.x, b_.row(m)), op.x.width, b_.at(op.out, m));
  }

  void operator()(const StoreRows& op) {
    float* out = b_.e.outputs[op.output].data<float>();
    for (std::size_t m = 0; m < b_.count; ++m) {
      const std::size_t row = b_.row(m);
      const std::size_t place =
          b_.first_rows ? b_.begin + m : b_.ragged.sequence_of(row) * b_.ragged.length() + b_.ragged.position(row);
      std::copy_n(b_.at(op.x, m), op.x.width, out + place * op.x.width);
    }
  }

 private:
  const RowBlock& b_;
  const kernels::Table& kernels_;
};

std::size_t bytes(const engine::Tensor& t) { return t ? t.bytes() : 0; }

}  // namespace

std::size_t weight_bytes(const RowOp& op) {
  if (const auto* load = std::get_if<LoadRows>(&op)) return load->table.bytes();
  if (const auto* norm = std::get_if<NormRows>(&op)) return bytes(norm->norm.gamma) + bytes(norm->norm.beta);
  const auto* affine = std::get_if<AffineRows>(&op);
  return affine != nullptr ? bytes(affine->scale) + bytes(affine->shift) : 0;
}

double multiply_adds(const RowOp& op) {
  const auto* linear = std::get_if<LinearRows>(&op);
  if (linear == nullptr) return 0;
  return static_cast<double>(linear->linear.in_features()) * static_cast<double>(linear->out.width);
}

void run(const RowProgram& program, const RowBlock& block) {
  Running running(block);
  for (const RowOp& op : program) std::visit(running, op);
}

}  // namespace sesame::models
