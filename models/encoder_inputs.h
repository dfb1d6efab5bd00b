// The inputs of an encoder's step: one a table of the embeddings, then the mask.
#pragma once

#include <cstddef>
#include <span>

#include "engine/step.h"
#include "engine/tensor.h"
#include "models/encoder.h"

namespace sesame::models {

// What follows from the shapes of the inputs.
struct InputSizes {
  std::size_t batch;
  std::size_t length;
};

// Inputs may broadcast over the batch or the length (position ids are [1, length]): one that is not 1 decides.
InputSizes input_sizes(const Encoder& encoder, std::span<const engine::Tensor> inputs);

// Throws Error for an input of another type, or whose shape does not broadcast to [batch, length].
InputSizes check_inputs(const Encoder& encoder, const engine::Inference& io);

// out[hidden] = the sum of one row a table, normalised. Throws Error for an id outside its table.
void embed_row(const Encoder& encoder, const engine::Execution& e, std::size_t sequence, std::size_t position,
               float* out);

}  // namespace sesame::models
