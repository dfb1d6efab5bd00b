// A post-LayerNorm BERT encoder as layer structs, and the plan step that runs them.
//
// Shapes: R rows (real tokens of all sequences, see ragged.h), hidden = heads * head_dim.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/linear.h"
#include "engine/step.h"
#include "engine/tensor.h"
#include "models/ragged.h"
#include "sesame/sesame.h"

namespace sesame::models {

struct LayerNorm {
  engine::Tensor gamma;  // [hidden]
  engine::Tensor beta;   // [hidden]
  float epsilon = 0;
};

// Rows of the hidden state before the first layer: the sum of one row a table, in this order, normalised.
struct Embeddings {
  // [rows, hidden] float, in the mapped file; undefined: the input is dense already, [batch or 1, length, hidden].
  std::vector<engine::Tensor> tables;
  LayerNorm norm;  // gamma undefined: none
};

// Attention Is All You Need, figure 1, left half, with BERT's names.
struct EncoderLayer {
  std::size_t heads = 0;
  std::size_t head_dim = 0;
  float score_scale = 0;           // 1 / sqrt(head_dim), as the graph has it
  AttentionPrecision attention = AttentionPrecision::fp32;  // or int8
  engine::Linear query_key_value;  // (R, hidden) -> (R, 3 parts of hidden)
  engine::Linear attn_out;         // (R, hidden) -> (R, hidden)
  LayerNorm attn_norm;             // of attn_out + residual
  engine::Linear ffn_in;           // (R, hidden) -> (R, ffn)
  kernels::Activation activation = kernels::Activation::gelu_erf;
  engine::Linear ffn_out;  // (R, ffn) -> (R, hidden)
  LayerNorm ffn_norm;      // of ffn_out + residual
};

struct Encoder {
  Embeddings embeddings;
  std::vector<EncoderLayer> layers;
  std::size_t hidden = 0;
  Mask mask;
  // Only position 0 of each sequence is read: the last layer computes no other row, the output is [batch, hidden].
  bool first_row_only = false;

  std::size_t weight_bytes() const;
  // One line a struct, for people: "EncoderLayer x 6: hidden 768, heads 12, ffn 3072, int8".
  std::vector<std::string> describe() const;
};

// Multiply-adds of linears and attention in one pass over sequences of these lengths.
double multiply_adds(const Encoder& encoder, std::span<const std::size_t> lengths);

// Runs an Encoder. Inputs: one a table of the embeddings (ids [batch or 1, length] int32 or int64, or the dense rows),
// then the mask when there is one. Output: [batch, length, hidden], or [batch, hidden] for first_row_only.
//
// Phases: lay out the rows; embed them and project the first layer's queries, keys and values; then for each layer
// attention by (sequence, head), and everything else of the layer, with the next layer's projection, by blocks of rows:
// two barriers a layer. Splitting rows or heads differently changes no bits.
class EncoderStep final : public engine::Step {
 public:
  explicit EncoderStep(Encoder encoder);

  const Encoder& encoder() const { return encoder_; }

  void infer(engine::Inference& io) const override;
  std::size_t scratch_bytes(std::span<const engine::Tensor> inputs,
                            std::span<const engine::Tensor> outputs) const override;
  std::size_t worker_scratch_bytes(std::span<const engine::Tensor> inputs,
                                   std::span<const engine::Tensor> outputs) const override;
  std::size_t weight_bytes() const override { return encoder_.weight_bytes(); }
  std::size_t phases() const override { return 2 + 2 * encoder_.layers.size(); }
  std::size_t items(const engine::Execution& e, std::size_t phase) const override;
  void run(const engine::Execution& e, std::size_t phase, std::size_t item, int worker) const override;
  std::string phase_name(std::size_t phase) const override;

 private:
  struct Sizes;
  struct Buffers;
  struct BlockBuffers;
  struct Block;

  Sizes sizes(std::span<const engine::Tensor> inputs) const;
  Buffers buffers(const engine::Execution& e) const;
  BlockBuffers block_buffers(std::byte* scratch) const;
  bool is_pruned(std::size_t layer) const { return encoder_.first_row_only && layer + 1 == encoder_.layers.size(); }
  std::size_t layer_rows(const engine::Execution& e, std::size_t layer) const;
  Block block(const engine::Execution& e, std::size_t rows, std::size_t item) const;

  void lay_out(const engine::Execution& e) const;
  void embed(const engine::Execution& e, const Block& block, const BlockBuffers& scratch) const;
  void embed_row(const engine::Execution& e, std::size_t sequence, std::size_t position, float* out) const;
  void attend(const engine::Execution& e, std::size_t layer, std::size_t item, std::byte* scratch) const;
  void feed_forward(const engine::Execution& e, std::size_t layer, const Block& block,
                    const BlockBuffers& scratch) const;
  void project(const engine::Execution& e, std::size_t layer, const Block& block, const engine::Rows& rows,
               const BlockBuffers& scratch) const;
  void project_first_rows(const engine::Execution& e, std::size_t layer, const Block& block, const engine::Rows& rows,
                          const BlockBuffers& scratch) const;
  engine::Rows rows_for(const engine::Execution& e, const engine::Linear& linear, const float* x, std::ptrdiff_t ld,
                        std::size_t count, const BlockBuffers& scratch) const;
  float* output_row(const engine::Execution& e, std::size_t row) const;

  Encoder encoder_;
  std::size_t widest_ = 0;     // of hidden and ffn sizes
  std::size_t qkv_width_ = 0;  // columns of a query_key_value row
};

}  // namespace sesame::models
