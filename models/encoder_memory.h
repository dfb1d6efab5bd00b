// Where an encoder's pass keeps its rows: the step's scratch, shared by all items, and a worker's own.
#pragma once

#include <cstddef>
#include <cstdint>

#include "models/encoder.h"
#include "models/encoder_inputs.h"

namespace sesame::models {

// Rows in a block at most: a block's FFN activations (128 x 3072 floats) stay in L2, and its GEMMs read the weights
// once.
constexpr std::size_t kMaxBlock = 128;

// The widest rows of an encoder, in floats.
struct EncoderWidths {
  std::size_t hidden = 0;
  std::size_t widest = 0;  // of hidden and ffn sizes
  std::size_t qkv = 0;     // columns of a query_key_value row
  std::size_t made = 0;    // bytes of a row as some Linear reads it

  explicit EncoderWidths(const Encoder& encoder);
};

// The step's scratch, shared by all items.
struct SharedRows {
  std::byte* ragged;   // RaggedBatch
  float* hidden;       // [rows][hidden]
  float* qkv;          // [rows][qkv]
  float* context;      // [rows][hidden], or [batch][hidden] in a pruned layer
  float* first_query;  // [batch][hidden]

  static std::size_t bytes(const EncoderWidths& widths, const InputSizes& sizes);
  static SharedRows at(std::byte* scratch, const EncoderWidths& widths, const InputSizes& sizes);
};

// One worker's scratch for a block of up to kMaxBlock rows.
struct BlockRows {
  float* sum;       // [rows][hidden], before a LayerNorm
  float* normed;    // [rows][hidden], after the first LayerNorm
  float* ffn;       // [rows][widest]
  float* scale;     // [rows]
  std::byte* made;  // [rows][bytes of a row as its Linear reads it]

  static std::size_t bytes(const EncoderWidths& widths);
  static BlockRows at(std::byte* scratch, const EncoderWidths& widths);
};

}  // namespace sesame::models
