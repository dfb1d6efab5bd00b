// How long something takes: warm-up, runs, and the figures that describe them.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace sesame::bench {

// Of at least one run, in milliseconds.
struct Latency {
  double mean = 0;
  double std = 0;  // of the sample, n - 1 below the line; 0 for a single run
  double min = 0;
  double p50 = 0;
  double p90 = 0;
  double p99 = 0;
};

// The q-quantile of ascending values, 0 <= q <= 1, by linear interpolation between neighbours at position q (n - 1).
double quantile(std::span<const double> sorted, double q);

Latency summarize(std::vector<double> milliseconds);

struct Timing {
  int warmup = 10;
  int runs = 100;      // of them at least 1
  double seconds = 0;  // when positive: as many runs as fit, at least 1, instead of `runs`
};

// Calls fn(i) for the warm-up and then for each run, i counting from 0 in both; returns the time of each run in
// milliseconds. `tick` is called after each run, outside its time, with the share of the work that is done.
std::vector<double> time_runs(const Timing& timing, const std::function<void(std::size_t)>& fn,
                              const std::function<void(double)>& tick);

// Milliseconds of one call on the steady clock.
double time_once(const std::function<void()>& fn);

}  // namespace sesame::bench
