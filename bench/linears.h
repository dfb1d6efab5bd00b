// What a pass's linear GEMMs cost by themselves: the floor under the pass.
#pragma once

#include <string>

#include "sesame/sesame.h"

namespace sesame::bench {

// Medians over the runs.
struct LinearsAlone {
  double linears = 0;  // milliseconds
  double pass = 0;     // milliseconds of the whole pass
};

bool has_encoder(const LoadedModel& model);

// Times the model's pass over a batch of equally long sequences, one thread, and in turn with it the encoder's Linears
// alone: the same rows, blocks and weights in the same order, so that weights come from where they come from in the
// pass; dequantization and bias, nothing else. Only for a model that has an encoder.
LinearsAlone time_linears(const LoadedModel& model, const TokenBatch& batch, int runs);

// One line.
std::string to_line(const LinearsAlone& times);

}  // namespace sesame::bench
