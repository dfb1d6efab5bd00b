#include "models/encoder_step.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "models/encoder_inputs.h"
#include "models/encoder_pass.h"

namespace sesame::models {

using engine::Execution;
using engine::Tensor;

namespace {

constexpr std::size_t kFirstLayerPhase = 3;  // behind the layout of the rows, the embeddings and the first projection

std::size_t layer_of(std::size_t phase) { return (phase - kFirstLayerPhase) / kLayerPhases; }
LayerPhase layer_phase(std::size_t phase) { return static_cast<LayerPhase>((phase - kFirstLayerPhase) % kLayerPhases); }

std::string name(LayerPhase phase) {
  switch (phase) {
    case LayerPhase::attend:
      return "attention";
    case LayerPhase::feed_forward:
      return "attn_out, ffn";
    case LayerPhase::attn_out:
      return "attn_out";
    case LayerPhase::attn_norm:
      return "attn_norm";
    case LayerPhase::ffn_in:
      return "ffn_in";
    case LayerPhase::activate:
      return "activation";
    case LayerPhase::ffn_out:
      return "ffn_out";
    case LayerPhase::ffn_norm:
      return "ffn_norm";
    case LayerPhase::project:
      return "next qkv";
  }
  return {};
}

}  // namespace

EncoderStep::EncoderStep(Encoder encoder) : encoder_(std::move(encoder)), widths_(encoder_) {
  assert(!encoder_.layers.empty());
}

void EncoderStep::infer(engine::Inference& io) const {
  const InputSizes sizes = check_inputs(encoder_, io);
  const auto batch = static_cast<std::int64_t>(sizes.batch);
  const auto length = static_cast<std::int64_t>(sizes.length);
  const auto hidden = static_cast<std::int64_t>(encoder_.hidden);
  io.output(0, engine::DType::f32,
            encoder_.first_row_only ? engine::Shape{batch, hidden} : engine::Shape{batch, length, hidden});
}

std::size_t EncoderStep::scratch_bytes(std::span<const Tensor> inputs, std::span<const Tensor>) const {
  return SharedRows::bytes(widths_, input_sizes(encoder_, inputs));
}

std::size_t EncoderStep::worker_scratch_bytes(std::span<const Tensor> inputs, std::span<const Tensor>) const {
  std::size_t bytes = BlockRows::bytes(widths_);
  const std::size_t length = input_sizes(encoder_, inputs).length;
  for (const EncoderLayer& layer : encoder_.layers) bytes = std::max(bytes, EncoderPass::attend_scratch(layer, length));
  return bytes;
}

std::size_t EncoderStep::phases() const { return kFirstLayerPhase + kLayerPhases * encoder_.layers.size(); }

std::size_t EncoderStep::items(const Execution& e, std::size_t phase) const {
  if (phase == 0) return 1;
  const EncoderPass pass(encoder_, widths_, e);
  if (phase == 1) return pass.embed_items();
  if (phase == 2) return pass.first_project_items();
  return pass.items(layer_of(phase), layer_phase(phase));
}

std::string EncoderStep::phase_name(std::size_t phase) const {
  if (phase == 0) return "rows";
  if (phase == 1) return "embeddings, qkv 0";
  if (phase == 2) return "qkv 0";
  return name(layer_phase(phase)) + " " + std::to_string(layer_of(phase));
}

void EncoderStep::run(const Execution& e, std::size_t phase, std::size_t item, int worker) const {
  std::byte* scratch = e.worker_scratch[static_cast<std::size_t>(worker)];
  const EncoderPass pass(encoder_, widths_, e);
  if (phase == 0) return pass.lay_out();
  if (phase == 1) return pass.embed(item, scratch);
  if (phase == 2) return pass.first_project(item, scratch);
  pass.run(layer_of(phase), layer_phase(phase), item, scratch);
}

}  // namespace sesame::models
