// The inputs of an encoder's step: one a table of the embeddings, then the mask when there is one, then the factors of
// the rows when they are scaled, float [batch or 1, length or 1, 1].
#pragma once

#include <cstddef>
#include <span>

#include "engine/step.h"
#include "engine/tensor.h"
#include "models/encoder.h"
#include "models/row_inputs.h"

namespace sesame::models {

InputSizes input_sizes(const Encoder& encoder, std::span<const engine::Tensor> inputs);

// Throws Error for an input of another type, or whose shape does not broadcast to [batch, length].
InputSizes check_inputs(const Encoder& encoder, const engine::Inference& io);

// out[hidden] = the sum of one row a table, normalised; `room`, as wide, is written to. Throws Error for an id outside
// its table.
void embed_row(const Encoder& encoder, const engine::Execution& e, std::size_t sequence, std::size_t position,
               float* room, float* out);

}  // namespace sesame::models
