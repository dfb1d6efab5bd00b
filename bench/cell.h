// One configuration of the grid: ours and the peers on the same workload, in turns.
#pragma once

#include <vector>

#include "bench/bench.h"
#include "bench/peers.h"
#include "bench/subject.h"
#include "bench/workload.h"

namespace sesame::bench {

struct Configuration {
  std::size_t batch = 1;
  std::optional<std::size_t> length;  // absent for real text
  int threads = 1;                    // of an instance
  int instances = 1;
  std::optional<double> rate;  // requests a second, Poisson; absent: one after the other without a pause
  bool pinned = false;         // each instance to `threads` physical cores of its own
};

// Checks ours and compares the peers' answers with it before anything is timed. Our result is the first.
Outcome measure_cell(const Subject& subject, const Workload& workload, const Configuration& configuration,
                     const std::vector<PeerEntry>& peers, const Options& options, const Progress& progress);

}  // namespace sesame::bench
