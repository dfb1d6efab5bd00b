// A few elementwise operators, LayerNorms and (de)quantizations in a row, as one step over rows in cache.
//
// Each instruction does what its operator does, and rounds as it does, so a program gives the bits of its operators run
// one by one; it only spares the way through memory between them, and is cut into items for threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/step.h"
#include "engine/tensor.h"
#include "kernels/table.h"

namespace sesame::engine {

struct RowProgram {
  enum class Kind { combine, erf, tanh, layernorm, layernorm_steps, dequantize, quantize };

  // Where an instruction reads: a row of an input of the step, of an earlier instruction's result, of a constant vector
  // as long as the last axis, or one number.
  struct Source {
    enum class From { nothing, input, result, vector, number } from = From::nothing;
    std::size_t index = 0;  // of the input, or of the instruction
    Tensor constant;        // the vector or the number
  };
  struct Instruction {
    Kind kind;
    Source a, b;
    kernels::Combination combination = kernels::Combination::add;
    Tensor gamma, beta;          // of a LayerNorm
    float parameter = 0;         // its epsilon, or the scale of a (de)quantize
    kernels::ByteRange range{};  // of a (de)quantize
  };

  std::vector<Instruction> instructions;  // the last one makes the output

  bool is_output_bytes() const { return instructions.back().kind == Kind::quantize; }
};

// Inputs: those that the program counts, floats or, where they are dequantized, bytes. They broadcast against each
// other, but along the last axis all are as long as each other.
std::shared_ptr<const Step> make_row_program_step(RowProgram program);

}  // namespace sesame::engine
