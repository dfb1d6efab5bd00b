#include "bench/statistics.h"

#include <algorithm>
#include <cassert>
#include <random>

#include "bench/latency.h"

namespace sesame::bench {
namespace {

constexpr std::size_t kResamples = 2000;

double average_time(std::span<const Round> rounds, std::span<const std::size_t> drawn, Average average) {
  std::vector<double> runs;
  double work = 0;
  double total = 0;
  for (const std::size_t i : drawn) {
    runs.insert(runs.end(), rounds[i].milliseconds.begin(), rounds[i].milliseconds.end());
    work += rounds[i].work;
  }
  if (average == Average::rate) {
    for (const double each : runs) total += each;
    return total / work;
  }
  std::ranges::sort(runs);
  return quantile(runs, 0.5);
}

}  // namespace

Ratio time_ratio(std::span<const Round> a, std::span<const Round> b, Average average) {
  assert(!a.empty() && a.size() == b.size());
  std::vector<std::size_t> drawn(a.size());
  for (std::size_t i = 0; i < drawn.size(); ++i) drawn[i] = i;
  const auto ratio = [&] { return average_time(a, drawn, average) / average_time(b, drawn, average); };
  Ratio result;
  result.value = ratio();
  std::mt19937_64 generator(0);
  std::vector<double> resampled;
  for (std::size_t i = 0; i < kResamples; ++i) {
    // A remainder of 64 random bits is even enough here, and unlike a standard distribution it is the same everywhere.
    for (std::size_t& each : drawn) each = generator() % drawn.size();
    resampled.push_back(ratio());
  }
  std::ranges::sort(resampled);
  result.low = quantile(resampled, 0.025);
  result.high = quantile(resampled, 0.975);
  return result;
}

std::vector<double> all_runs(std::span<const Round> rounds) {
  std::vector<double> runs;
  for (const Round& each : rounds) runs.insert(runs.end(), each.milliseconds.begin(), each.milliseconds.end());
  return runs;
}

}  // namespace sesame::bench
