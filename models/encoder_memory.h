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

// The widest rows of an encoder, in floats unless it says bytes.
struct EncoderWidths {
  std::size_t hidden = 0;
  std::size_t widest = 0;  // of hidden and ffn sizes
  std::size_t qkv = 0;     // columns of a query_key_value row
  std::size_t made = 0;    // bytes of a row as a Linear reads it, where that is not floats
  // Of layers that keep queries, keys and values as bytes, if their sequences aren't too long; 0 without any.
  std::size_t head_bytes = 0;  // of a row's queries
  std::size_t heads = 0;
  bool floats = false;  // a layer keeps them as floats

  explicit EncoderWidths(const Encoder& encoder);
};

// Whether a layer keeps queries, keys and values as bytes only: for int8 attention, where nothing else reads them.
bool keeps_bytes(const EncoderLayer& layer, std::size_t length);

enum class Part { query, key, value };

// Queries, keys and values of all rows as bytes, those of a head together: what a head needs is small and lies in one
// piece.
struct HeadBytes {
  std::uint8_t* bytes;  // [part][head][row][round_up(head_dim, 4)]
  float* scale;         // [part][head][row]
  std::size_t rows;

  std::uint8_t* bytes_at(const EncoderLayer& layer, Part part, std::size_t head, std::size_t row) const;
  float* scale_at(const EncoderLayer& layer, Part part, std::size_t head, std::size_t row) const;
  // From `row` on.
  kernels::TokenBytes tokens(const EncoderLayer& layer, Part part, std::size_t head, std::size_t row) const;
};

// The step's scratch, shared by all items.
struct SharedRows {
  std::byte* ragged;  // RaggedBatch
  // [rows][hidden]. Every layer works on them in place, so that they stay in a cache near the core: the sum with the
  // attention's output, the LayerNorm of that, the sum with the FFN's output and its LayerNorm.
  float* hidden;
  float* qkv;          // [rows][qkv], for layers that keep floats
  HeadBytes heads;     // for the others; in a pruned layer the query in row b is sequence b's
  float* context;      // [rows][hidden], or [batch][hidden] in a pruned layer
  float* first_query;  // [batch][hidden]

  static std::size_t bytes(const EncoderWidths& widths, const InputSizes& sizes);
  static SharedRows at(std::byte* scratch, const EncoderWidths& widths, const InputSizes& sizes);
};

// One worker's scratch for a block of up to kMaxBlock rows.
struct BlockRows {
  float* first_rows;  // [rows][hidden], the hidden state of a pruned layer
  float* ffn;         // [rows][widest]
  float* activated;   // [widest], one row behind its activation
  float* scale;       // [rows]
  std::byte* made;    // [rows][made], Linear::make_rows

  static std::size_t bytes(const EncoderWidths& widths);
  static BlockRows at(std::byte* scratch, const EncoderWidths& widths);
};

}  // namespace sesame::models
