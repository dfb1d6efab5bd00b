// Engines in turns: each round every one of them runs for a while, so that what disturbs the machine disturbs them all.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "bench/engines/contestant.h"
#include "bench/latency.h"
#include "bench/statistics.h"

namespace sesame::bench {

// An engine's instances, which run at the same time, each on its own cores.
struct Group {
  std::vector<std::unique_ptr<Contestant>> instances;
  std::vector<std::vector<int>> cpus;  // of each instance; empty: not pinned
};

// How the runs of an engine are spread over rounds.
struct Schedule {
  std::size_t rounds = 10;
  std::size_t runs = 100;  // of an instance, over all rounds; at least one a round
  double seconds = 0;      // when positive: over all rounds, instead of `runs`
  int warmup = 10;         // runs before the first round
  bool rewarm = false;     // untimed runs before each turn, since another engine has used the caches
  int pause_ms = 0;        // after each turn, for threads that keep spinning after their last run
};

// What suits `timing` and this number of engines, each run with `threads` threads.
Schedule make_schedule(const Timing& timing, std::size_t engines, int threads);

// By group and round. In a round the groups run one after the other, the order turned round every time. `work(run)` is
// what run does of the measure of work. watch.tick is told the share that is done; when watch.stopped says so, the
// rounds end after the one that runs, and there is at least one.
struct Rounds {
  std::vector<std::vector<Round>> of_group;
  std::vector<std::vector<double>> samples_per_s;  // the group's instances together, `batch` samples a run
  std::vector<std::vector<double>> probed;         // Watch::probe's answers, where there is one
};

// Who looks on.
struct Watch {
  std::function<void(double)> tick;
  std::function<bool()> stopped;
  std::function<double(std::size_t)> probe;  // of a group, before each of its turns; may be empty
};

Rounds run_rounds(std::span<const Group> groups, const Schedule& schedule, std::size_t batch,
                  const std::function<double(std::size_t)>& work, const Watch& watch);

// The same for requests that arrive at `per_second`: in a round each group's first instance serves the same arrivals.
// Times are from arrival to answer; samples_per_s is what was answered from a round's start to its last answer.
Rounds serve_rounds(std::span<const Group> groups, const Schedule& schedule, double per_second, std::size_t batch,
                    const Watch& watch);

}  // namespace sesame::bench
