// The plan step that runs a RowEncoder.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "engine/step.h"
#include "models/row_blocks.h"
#include "models/row_encoder.h"

namespace sesame::models {

// Inputs: encoder.inputs, then the mask when there is one. Outputs: [batch, length, width] each, or [batch, width] for
// first_row_only.
//
// Phases: lay out the rows; then each program by blocks of rows and each attention by (sequence, head), in turn.
// Splitting rows or heads differently changes no bits.
class RowEncoderStep final : public engine::Step {
 public:
  explicit RowEncoderStep(RowEncoder encoder);

  const RowEncoder& encoder() const { return encoder_; }

  void infer(engine::Inference& io) const override;
  std::size_t scratch_bytes(std::span<const engine::Tensor> inputs,
                            std::span<const engine::Tensor> outputs) const override;
  std::size_t worker_scratch_bytes(std::span<const engine::Tensor> inputs,
                                   std::span<const engine::Tensor> outputs) const override;
  std::size_t weight_bytes() const override { return encoder_.weight_bytes(); }
  std::size_t phases() const override { return 1 + order_.size(); }
  std::size_t items(const engine::Execution& e, std::size_t phase) const override;
  void run(const engine::Execution& e, std::size_t phase, std::size_t item, int worker) const override;
  std::string phase_name(std::size_t phase) const override;

 private:
  // A program or an attention, by its number.
  struct Phase {
    bool is_attention;
    std::size_t index;
  };
  const Phase& phase_at(std::size_t phase) const { return order_[phase - 1]; }

  std::size_t program_rows(const engine::Execution& e, std::size_t program) const;
  void attend_bytes(const engine::Execution& e, const RowAttention& a, const AttentionItem& item,
                    std::byte* scratch) const;
  std::byte* shared_rows(const engine::Execution& e, std::size_t buffer) const;
  RowRanges ranges(const engine::Execution& e) const;
  void lay_out(const engine::Execution& e) const;
  void run_program(const engine::Execution& e, std::size_t program, std::size_t item, std::byte* scratch) const;
  void attend(const engine::Execution& e, std::size_t index, std::size_t item, std::byte* scratch) const;

  RowEncoder encoder_;
  std::vector<Phase> order_;
};

}  // namespace sesame::models
