// The work of an encoder's phases, over the rows of one pass: attention by (sequence, head), everything else of a layer
// by blocks of rows.
#pragma once

#include <cstddef>

#include "engine/linear.h"
#include "engine/step.h"
#include "models/encoder.h"
#include "models/encoder_memory.h"
#include "models/ragged.h"

namespace sesame::models {

// Consecutive rows that one item takes.
struct Block {
  std::size_t begin;
  std::size_t count;
};

// One pass as an item sees it. Made anew for each item; the rows are in the step's scratch.
class EncoderPass {
 public:
  EncoderPass(const Encoder& encoder, const EncoderWidths& widths, const engine::Execution& e);

  // Lays out the pass's rows; the others can be called after it only.
  void lay_out() const;

  // Items of each kind, as many as the number of threads wants.
  std::size_t embed_items() const;
  std::size_t attend_items(std::size_t layer) const;
  std::size_t feed_forward_items(std::size_t layer) const;

  // Rows of the first hidden state, and the first layer's queries, keys and values of them.
  void embed(std::size_t item, std::byte* scratch) const;
  // One head's context for a block of a sequence's queries, in scratch of as many bytes for sequences of that length.
  static std::size_t attend_scratch(const EncoderLayer& layer, std::size_t length);
  void attend(std::size_t layer, std::size_t item, std::byte* scratch) const;
  // The layer behind its attention, and the next layer's queries, keys and values.
  void feed_forward(std::size_t layer, std::size_t item, std::byte* scratch) const;

 private:
  bool is_pruned(std::size_t layer) const { return encoder_.first_row_only && layer + 1 == encoder_.layers.size(); }
  std::size_t layer_rows(std::size_t layer) const { return is_pruned(layer) ? ragged().batch() : ragged().rows(); }
  const RaggedBatch& ragged() const { return RaggedBatch::at(rows_.ragged); }
  Block block(std::size_t rows, std::size_t item) const;

  void project(std::size_t layer, const Block& block, const engine::Rows& rows, const BlockRows& scratch) const;
  void project_first_rows(std::size_t layer, const Block& block, const engine::Rows& rows,
                          const BlockRows& scratch) const;
  const float* residual(std::size_t layer, const Block& block, const BlockRows& scratch) const;
  engine::Rows attend_out(std::size_t layer, const Block& block, const BlockRows& scratch) const;
  engine::Rows activate(const EncoderLayer& layer, const engine::Rows& rows, std::size_t count,
                        const BlockRows& scratch) const;
  float* output_row(std::size_t row) const;

  const Encoder& encoder_;
  const EncoderWidths& widths_;
  const engine::Execution& e_;
  InputSizes sizes_;
  SharedRows rows_;
};

}  // namespace sesame::models
