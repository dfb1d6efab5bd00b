#include "models/macs.h"

#include <numeric>

#include "engine/shape_probe.h"
#include "models/encoder_step.h"

namespace sesame {

namespace {

// Rows of a Linear outside the encoder: one a sequence where its input does not vary with the length, else one a token.
double rows_of(const engine::ShapeProbe& probe, engine::ValueId input, std::span<const std::size_t> lengths) {
  const auto& shape = probe.shape(input);
  bool by_token = false;
  for (std::size_t i = 0; shape && i + 1 < shape->size(); ++i) by_token |= (*shape)[i] == engine::ShapeProbe::symbol(1);
  const auto tokens = static_cast<double>(std::accumulate(lengths.begin(), lengths.end(), std::size_t{0}));
  return by_token ? tokens : static_cast<double>(lengths.size());
}

}  // namespace

double executed_macs(const LoadedModel& model, std::span<const std::size_t> lengths) {
  const engine::Plan& plan = *model.plan;
  const engine::ShapeProbe probe(plan.graph());
  double total = 0;
  bool recognised = false;
  for (std::size_t n = 0; n < plan.steps(); ++n) {
    if (const auto* encoder = dynamic_cast<const models::EncoderStep*>(&plan.step(n))) {
      total += models::multiply_adds(encoder->encoder(), lengths);
      recognised = true;
    } else {
      total += plan.step(n).multiply_adds_per_row() * rows_of(probe, plan.graph().nodes[n].input(0), lengths);
    }
  }
  return recognised ? total : 0;
}

}  // namespace sesame
