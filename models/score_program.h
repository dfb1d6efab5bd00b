// What a graph that brings its own quantization does to a row of attention scores, from the product of queries and keys
// to what multiplies the values: operations on floats or bytes, each rounding as its operator does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "engine/byte_softmax.h"
#include "engine/quantized_node.h"
#include "engine/tensor.h"
#include "kernels/table.h"
#include "models/row_program.h"

namespace sesame::models {

// An input of the step that varies with sequence, head, query or key: broadcast to [batch, heads, length, length].
using ScoreInput = std::size_t;

struct QuantizeScores {
  ByteGrid grid;
};
struct DequantizeScores {
  ByteGrid grid;
};
struct CombineScores {  // scores (+ - * /) number, or number (+ - * /) scores
  kernels::Combination how = kernels::Combination::add;
  float number = 0;
  bool number_first = false;
};
struct MaskScores {};  // the sequence's bias of its keys (ragged.h) is added
struct AddScores {     // a float input is added
  ScoreInput input = 0;
};
struct AddByteScores {  // bytes plus an input of bytes, first or second
  kernels::ByteSum sum;
  ScoreInput input = 0;
  bool input_first = false;
};
struct FillScores {  // where the bool input is `where`, the score is replaced
  ScoreInput input = 0;
  bool where = true;
  float fill = 0;
};
struct MultiplyByteScores {  // bytes times one byte, first or second
  engine::ByteProduct product;
  std::uint8_t number = 0;
  bool number_first = false;
};
struct SoftmaxScores {};
struct ClearScores {};  // NaN becomes 0
struct ByteSoftmaxScores {
  float x_scale = 1;
  float y_scale = 1;
  kernels::ByteRange range{};
};

using ScoreOp = std::variant<QuantizeScores, DequantizeScores, CombineScores, MaskScores, AddScores, AddByteScores,
                             FillScores, MultiplyByteScores, SoftmaxScores, ClearScores, ByteSoftmaxScores>;
using ScoreProgram = std::vector<ScoreOp>;

// Whether what comes out of the program are bytes.
bool gives_bytes(const ScoreProgram& program, bool takes_bytes);

// The type of each input that the program reads, by its number.
void input_types(const ScoreProgram& program, std::span<engine::DType> types);

// One query's scores.
struct ScoreRow {
  const kernels::Table& kernels;
  std::span<const engine::Tensor> inputs;  // of the step
  std::span<const std::size_t> places;     // where the program's inputs are among them
  std::size_t sequence = 0, head = 0, query = 0, keys = 0;
  const float* bias = nullptr;                   // of the sequence's keys, or null
  bool flat = false;                             // all scores are masked to the same number
  const engine::ByteSoftmax* softmax = nullptr;  // byte_softmax(program, keys), where there is one
  float* floats = nullptr;                       // [keys], the scores where they are floats
  std::uint8_t* bytes = nullptr;                 // [round_up(keys, 64)], where they are bytes
};

// The softmax of bytes among the operations, made once for rows of so many keys.
std::optional<engine::ByteSoftmax> byte_softmax(const ScoreProgram& program, std::size_t keys);

void run(const ScoreProgram& program, const ScoreRow& row);

// Throws Error for an input of another type, or whose shape does not broadcast to [batch, heads, length, length].
void check_score_input(const engine::Tensor& input, engine::DType type, const engine::Shape& scores);

}  // namespace sesame::models
