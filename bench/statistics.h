// How sure a ratio of two engines' times is.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace sesame::bench {

// What one engine did in one turn. Turn i of one engine and turn i of another were neighbours in time.
struct Round {
  std::vector<double> milliseconds;  // of each run, not empty
  double work = 0;                   // done in all of them together: real tokens, or samples
};

// A quotient and the interval that holds it in 95 of 100 repetitions of the measurement.
struct Ratio {
  double value = 0;
  double low = 0;
  double high = 0;
};

enum class Average {
  median,  // of all runs: they do the same, and differ by disturbance only
  rate,    // time a unit of work: the runs differ in work
};

// time(a) / time(b), the time being the average over all rounds. The interval is the percentile bootstrap's: rounds are
// drawn with replacement, the same ones for both since neighbours share their disturbances, 2000 times from a fixed
// seed. Requires as many rounds of a as of b, at least one.
Ratio time_ratio(std::span<const Round> a, std::span<const Round> b, Average average);

// All runs of all rounds.
std::vector<double> all_runs(std::span<const Round> rounds);

}  // namespace sesame::bench
