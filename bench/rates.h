// What is derived from the times of a result: rates and the share of the peak.
#pragma once

#include "bench/bench.h"
#include "bench/rounds.h"
#include "bench/workload.h"
#include "models/model.h"

namespace sesame::bench {

// Fills in latencies and rates from the rounds of one engine. Runs of one length differ by disturbance only, so their
// median stands for them; real text's runs differ in work, so their mean does; instances that run at the same time give
// the median of the rounds' sums. The multiply-adds are those that `model`, ours, executes for these answers, for every
// engine: what a peer computes beyond them (padded rows, rows that nothing reads) is not counted in its favour.
void add_rates(const std::vector<Round>& rounds, const std::vector<double>& samples_per_s, const Workload& workload,
               const LoadedModel& model, const std::optional<double>& peak, Result& result);

// Of one core.
std::optional<double> peak_of(const Peaks& peaks, Precision precision);

}  // namespace sesame::bench
