// Where the time of a pass goes, step by step.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "bench/report.h"
#include "sesame/sesame.h"

namespace sesame::bench {

// Runs the model's plan on a batch of equally long sequences, after a warm-up. Throws Error when the model needs inputs
// other than ids, mask and types.
std::vector<StepProfile> profile(const LoadedModel& model, const TokenBatch& batch, int threads, int runs);

// One line a phase in the plan's order, with a heading.
std::string to_table(const std::vector<StepProfile>& steps);

}  // namespace sesame::bench
