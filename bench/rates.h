// What is derived from the times of a result: rates and the share of the peak.
#pragma once

#include "bench/bench.h"
#include "bench/rounds.h"
#include "bench/workload.h"
#include "models/model.h"

namespace sesame::bench {

// Fills in latencies and rates from the rounds of group g, and the median of what was probed before its turns as the
// peak. Runs of one length differ by disturbance only, so their
// median stands for them; real text's runs differ in work, so their mean does; instances that run at the same time give
// the median of the rounds' sums. The multiply-adds are those that `model`, ours, executes for these answers, for every
// engine: what a peer computes beyond them (padded rows, rows that nothing reads) is not counted in its favour.
void add_rates(const Rounds& rounds, std::size_t g, const Workload& workload, const LoadedModel& model, Result& result);

}  // namespace sesame::bench
