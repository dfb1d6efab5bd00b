#include "models/score_program.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <type_traits>

#include "sesame/error.h"

namespace sesame::models {

using engine::DType;
using engine::Tensor;

namespace {

// The input's row of the query, and whether it is one number for all keys.
struct InputRow {
  const std::byte* data;
  bool is_one;
};

InputRow input_row_of(const Tensor& input, const ScoreRow& row) {
  const std::size_t places[] = {row.query, row.head, row.sequence};
  const std::size_t rank = input.rank();
  const bool one = rank == 0 || input.dim(rank - 1) == 1;
  std::size_t offset = 0, stride = rank == 0 ? 1 : static_cast<std::size_t>(input.dim(rank - 1));
  for (std::size_t i = 1; i < rank; ++i) {
    const auto dim = static_cast<std::size_t>(input.dim(rank - 1 - i));
    if (dim != 1) offset += places[i - 1] * stride;
    stride *= dim;
  }
  return {static_cast<const std::byte*>(input.raw()) + offset * engine::byte_size(input.type()), one};
}

class Running {
 public:
  explicit Running(const ScoreRow& row) : r_(row), kernels_(row.kernels) {}

  void operator()(const QuantizeScores& op) {
    kernels_.quantize_affine_row(r_.floats, r_.keys, op.grid.scale, op.grid.range, r_.bytes);
  }
  void operator()(const DequantizeScores& op) {
    kernels_.dequantize_row(r_.bytes, r_.keys, op.grid.scale, op.grid.range, r_.floats);
  }
  void operator()(const CombineScores& op) {
    const kernels::Operand scores{r_.floats, false}, number{&op.number, true};
    kernels_.combine_row(op.how, op.number_first ? number : scores, op.number_first ? scores : number, r_.keys,
                         r_.floats);
  }
  void operator()(const MaskScores&) {
    if (r_.flat) {
      std::fill_n(r_.floats, r_.keys, 0.0f);
    } else if (r_.bias != nullptr) {
      kernels_.add_row(r_.bias, r_.keys, r_.floats);
    }
  }
  void operator()(const AddScores& op) {
    const InputRow input = row_of(op.input);
    kernels_.combine_row(kernels::Combination::add, {r_.floats, false},
                         {reinterpret_cast<const float*>(input.data), input.is_one}, r_.keys, r_.floats);
  }
  void operator()(const AddByteScores& op) {
    const InputRow input = row_of(op.input);
    const auto* mask = reinterpret_cast<const std::uint8_t*>(input.data);
    if (!input.is_one) return add(op, mask, r_.bytes, r_.bytes, r_.keys);
    for (std::size_t j = 0; j < r_.keys; ++j) add(op, mask, r_.bytes + j, r_.bytes + j, 1);
  }
  void operator()(const FillScores& op) {
    const InputRow input = row_of(op.input);
    const auto* condition = reinterpret_cast<const bool*>(input.data);
    for (std::size_t j = 0; j < r_.keys; ++j) {
      r_.floats[j] = condition[input.is_one ? 0 : j] == op.where ? op.fill : r_.floats[j];
    }
  }
  void operator()(const MultiplyByteScores& op) {
    std::array<std::uint8_t, 64> numbers;
    numbers.fill(op.number);
    for (std::size_t j = 0; j < r_.keys; j += numbers.size()) {
      const std::size_t n = std::min(numbers.size(), r_.keys - j);
      std::uint8_t* scores = r_.bytes + j;
      op.product.run(op.number_first ? numbers.data() : scores, op.number_first ? scores : numbers.data(), n, scores);
    }
  }
  void operator()(const SoftmaxScores&) { kernels_.softmax_row(r_.floats, r_.keys, r_.floats); }
  void operator()(const ClearScores&) {
    std::replace_if(
        r_.floats, r_.floats + r_.keys, [](float p) { return std::isnan(p); }, 0.0f);
  }
  void operator()(const ByteSoftmaxScores&) { r_.softmax->run(r_.bytes, r_.keys, 1, r_.bytes); }

 private:
  InputRow row_of(ScoreInput input) const { return input_row_of(r_.inputs[r_.places[input]], r_); }

  void add(const AddByteScores& op, const std::uint8_t* mask, const std::uint8_t* scores, std::uint8_t* out,
           std::size_t n) const {
    kernels_.add_bytes_row(op.input_first ? mask : scores, op.input_first ? scores : mask, n, op.sum, out);
  }

  const ScoreRow& r_;
  const kernels::Table& kernels_;
};

}  // namespace

bool gives_bytes(const ScoreProgram& program, bool takes_bytes) {
  for (const ScoreOp& op : program) {
    if (std::holds_alternative<QuantizeScores>(op)) takes_bytes = true;
    if (std::holds_alternative<DequantizeScores>(op)) takes_bytes = false;
  }
  return takes_bytes;
}

void input_types(const ScoreProgram& program, std::span<DType> types) {
  for (const ScoreOp& op : program) {
    if (const auto* add = std::get_if<AddScores>(&op)) types[add->input] = DType::f32;
    if (const auto* fill = std::get_if<FillScores>(&op)) types[fill->input] = DType::boolean;
    if (const auto* sum = std::get_if<AddByteScores>(&op)) {
      types[sum->input] = sum->sum.is_signed ? DType::i8 : DType::u8;
    }
  }
}

std::optional<engine::ByteSoftmax> byte_softmax(const ScoreProgram& program, std::size_t keys) {
  for (const ScoreOp& op : program) {
    const auto* softmax = std::get_if<ByteSoftmaxScores>(&op);
    if (softmax != nullptr) return engine::ByteSoftmax(softmax->x_scale, keys, softmax->y_scale, softmax->range);
  }
  return std::nullopt;
}

void run(const ScoreProgram& program, const ScoreRow& row) {
  Running running(row);
  for (const ScoreOp& op : program) std::visit(running, op);
}

void check_score_input(const Tensor& input, DType type, const engine::Shape& scores) {
  if (input.type() != type) {
    throw Error("mask: expected " + std::string(name(type)) + ", found " + std::string(name(input.type())));
  }
  if (input.rank() > scores.size() || engine::broadcast(input.shape(), scores) != scores) {
    throw Error("mask: expected a shape that broadcasts to " + engine::to_string(scores) + ", found " +
                engine::to_string(input.shape()));
  }
}

}  // namespace sesame::models
