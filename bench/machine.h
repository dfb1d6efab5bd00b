// The machine that figures belong to: what it is, and how fast it could be at best.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sesame/sesame.h"

namespace sesame::bench {

struct Cache {
  int level = 0;
  std::string type;  // "data", "instruction", "unified"
  std::size_t kib = 0;
};

struct Machine {
  std::string cpu;                  // as the CPU names itself
  int cores = 0;                    // physical ones that this process may use
  int logical_cpus = 0;             // online in the machine
  std::vector<std::string> levels;  // instruction set levels found, ascending
  std::string isa;                  // the one that is used
  std::vector<Cache> caches;        // of one core, those it shares included
  double memory_mib = 0;
  std::string system;    // kernel and release
  std::string compiler;  // that built this program
};

// Looks, measures nothing. What the system does not tell stays empty or 0.
Machine describe_machine();

// What one core does at best, in 10^9 multiply-adds a second (registers only) and 10^9 bytes a second.
struct Peaks {
  std::optional<double> fp32;
  std::optional<double> bf16;
  std::optional<double> int8;
  double clock_ghz = 0;    // of one busy core: a chain of multiplications
  double memory_read = 0;  // one stream over kStreamMib of memory
};

inline constexpr std::size_t kStreamMib = 256;

// One of them as it is now: a core's clock drifts with its load and its neighbours, and a share of the peak compares
// what was measured side by side.
class PeakMeter {
 public:
  explicit PeakMeter(Precision precision);
  // In 10^9 multiply-adds a second, the median of a few runs of a millisecond each. At precisions that have a peak
  // only.
  double gmacs() const;

 private:
  std::function<double()> run_;  // returns the multiply-adds done
};

// Measures with the kernels of the level in use; the best of many short runs over about 0.2 s each, so a disturbed
// moment does not count.
Peaks measure_peaks();

}  // namespace sesame::bench
