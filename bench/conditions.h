// What about the machine would mislead a reader of its figures.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/statistics.h"

namespace sesame::bench {

// One line each: a governor other than "performance", a cgroup quota below `threads`, more threads than physical cores
// (SMT siblings share one). Reads the files of a Linux system below `root`
// ("" for the running one); what they do not tell gives no warning.
std::vector<std::string> machine_warnings(const std::string& root, const std::vector<int>& cpus, int threads);

// Watches from its construction on what other processes take of the CPUs, and what the hypervisor takes of this
// machine. Peers that were started since count as this process's own once they have ended.
class Disturbance {
 public:
  Disturbance();

  // CPUs that others kept busy on average; 0 where /proc/stat is not there, or before it can tell.
  double others() const;

  static constexpr double kMostOthers = 0.05;

 private:
  double start_ms_;
  double busy_ms_;  // of all CPUs, less this process and its ended children
};

// How far apart the rounds' medians lie: (90 % quantile - 10 % quantile) / median.
double spread(std::span<const Round> rounds);

inline constexpr double kMostSpread = 0.10;  // of rounds, and of a ratio's interval, relative to its value

// The warning for one configuration: what its spread, its peers' ratios (the widest counts) and the others' load say;
// nothing when all is well.
std::optional<std::string> noise_warning(double spread, std::span<const Ratio> ratios, double others);

}  // namespace sesame::bench
