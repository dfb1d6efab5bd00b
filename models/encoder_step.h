// The plan step that runs an encoder's layer structs.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "engine/step.h"
#include "engine/tensor.h"
#include "models/encoder.h"
#include "models/encoder_memory.h"

namespace sesame::models {

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
  std::size_t phases() const override;
  std::size_t items(const engine::Execution& e, std::size_t phase) const override;
  void run(const engine::Execution& e, std::size_t phase, std::size_t item, int worker) const override;
  std::string phase_name(std::size_t phase) const override;

 private:
  Encoder encoder_;
  EncoderWidths widths_;
};

}  // namespace sesame::models
