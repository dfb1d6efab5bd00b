// The work of an encoder's phases, over the rows of one pass: attention by (sequence, head), everything else of a layer
// by blocks of rows; or, where there are too few rows for the threads, by columns of one GEMM after the other.
#pragma once

#include <cstddef>

#include "engine/linear.h"
#include "engine/step.h"
#include "models/attention_kernel.h"
#include "models/encoder.h"
#include "models/encoder_memory.h"
#include "models/ragged.h"
#include "models/row_blocks.h"

namespace sesame::models {

// Consecutive rows that one item takes.
struct Block {
  std::size_t begin;
  std::size_t count;
};

// The phases of a layer, in their order. With rows enough for all threads there is work in the first two; with fewer,
// in all but feed_forward.
enum class LayerPhase { attend, feed_forward, attn_out, attn_norm, ffn_in, activate, ffn_out, ffn_norm, project };
inline constexpr std::size_t kLayerPhases = 9;

// One pass as an item sees it. Made anew for each item; the rows are in the step's scratch.
class EncoderPass {
 public:
  EncoderPass(const Encoder& encoder, const EncoderWidths& widths, const engine::Execution& e);

  // Lays out the pass's rows; the others can be called after it only.
  void lay_out() const;

  // Rows of the first hidden state; then, where embed has not made them, the first layer's queries, keys and values.
  std::size_t embed_items() const;
  void embed(std::size_t item, std::byte* scratch) const;
  std::size_t first_project_items() const { return splits_columns(ragged().rows()) ? project_items(0) : 0; }
  void first_project(std::size_t item, std::byte* scratch) const { project_columns(0, item, scratch); }

  // As many as the number of threads wants; 0 for a phase that the layer doesn't need.
  std::size_t items(std::size_t layer, LayerPhase phase) const;
  void run(std::size_t layer, LayerPhase phase, std::size_t item, std::byte* scratch) const;

  // One head's context for a block of a sequence's queries, in scratch of as many bytes for sequences of that length.
  static std::size_t attend_scratch(const EncoderLayer& layer, std::size_t length);

 private:
  bool is_pruned(std::size_t layer) const { return encoder_.first_row_only && layer + 1 == encoder_.layers.size(); }
  std::size_t layer_rows(std::size_t layer) const { return is_pruned(layer) ? ragged().batch() : ragged().rows(); }
  const RaggedBatch& ragged() const { return RaggedBatch::at(rows_.ragged); }
  Block block(std::size_t rows, std::size_t item) const;
  bool is_last(std::size_t layer) const { return layer + 1 == encoder_.layers.size(); }

  void attend(std::size_t layer, std::size_t item, std::byte* scratch) const;
  // The layer behind its attention, and the next layer's queries, keys and values.
  void feed_forward(std::size_t layer, std::size_t item, std::byte* scratch) const;

  // From `rows`, the layer's input in a block.
  void project(std::size_t layer, const Block& block, const engine::Rows& rows, const BlockRows& scratch) const;
  void project_first_rows(std::size_t layer, const Block& block, const engine::Rows& rows,
                          const BlockRows& scratch) const;
  void quantize_heads(const EncoderLayer& layer, Part part, const Block& heads, const float* x, std::ptrdiff_t ld,
                      const Block& block) const;
  HeadOperands head_operands(std::size_t layer, const AttentionItem& item) const;
  void gather_first_rows(const Block& rows, const Block& columns, float* to) const;
  engine::Rows attend_out(std::size_t layer, const Block& block, float* state, const BlockRows& scratch) const;
  engine::Rows activate(const EncoderLayer& layer, const engine::Rows& rows, std::size_t count,
                        const BlockRows& scratch) const;
  float* output_row(std::size_t row) const;
  float* left_row(std::size_t layer, std::size_t row) const;  // where a layer leaves a row

  // encoder_columns.cc: a layer of few rows. What its phases hand on lies in the first worker's scratch, but for the
  // hidden state of a layer that isn't pruned.
  bool splits_columns(std::size_t rows) const;
  BlockRows few_rows() const { return BlockRows::at(e_.worker_scratch[0], widths_); }
  float* few_state(std::size_t layer) const { return is_pruned(layer) ? few_rows().first_rows : rows_.hidden; }
  std::size_t few_items(std::size_t rows) const;
  Block few_block(std::size_t rows, std::size_t item) const;
  std::size_t column_items(std::size_t layer, LayerPhase phase) const;
  void run_columns(std::size_t layer, LayerPhase phase, std::size_t item, std::byte* scratch) const;
  void attend_out_columns(std::size_t layer, std::size_t item, std::byte* scratch) const;
  void ffn_in_columns(std::size_t layer, std::size_t item) const;
  void ffn_out_columns(std::size_t layer, std::size_t item) const;
  void normalize_attention(std::size_t layer, std::size_t item) const;
  void activate_rows(std::size_t layer, std::size_t item, std::byte* scratch) const;
  void normalize_ffn(std::size_t layer, std::size_t item) const;
  std::size_t project_items(std::size_t layer) const;
  void project_columns(std::size_t layer, std::size_t item, std::byte* scratch) const;

  const Encoder& encoder_;
  const EncoderWidths& widths_;
  const engine::Execution& e_;
  InputSizes sizes_;
  SharedRows rows_;
};

}  // namespace sesame::models
