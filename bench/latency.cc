#include "bench/latency.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cmath>

namespace sesame::bench {

double quantile(std::span<const double> sorted, double q) {
  assert(!sorted.empty() && q >= 0 && q <= 1);
  const double position = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], position - static_cast<double>(below));
}

Latency summarize(std::vector<double> milliseconds) {
  assert(!milliseconds.empty());
  std::ranges::sort(milliseconds);
  const auto n = static_cast<double>(milliseconds.size());
  Latency latency;
  for (const double each : milliseconds) latency.mean += each / n;
  double squares = 0;
  for (const double each : milliseconds) squares += (each - latency.mean) * (each - latency.mean);
  latency.std = n > 1 ? std::sqrt(squares / (n - 1)) : 0;
  latency.min = milliseconds.front();
  latency.p50 = quantile(milliseconds, 0.5);
  latency.p90 = quantile(milliseconds, 0.9);
  latency.p99 = quantile(milliseconds, 0.99);
  return latency;
}

double time_once(const std::function<void()>& fn) {
  const auto start = std::chrono::steady_clock::now();
  fn();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

std::vector<double> time_runs(const Timing& timing, const std::function<void(std::size_t)>& fn,
                              const std::function<void(double)>& tick) {
  for (int i = 0; i < timing.warmup; ++i) fn(static_cast<std::size_t>(i));

  const double budget = timing.seconds * 1000;
  const auto planned = static_cast<std::size_t>(std::max(timing.runs, 1));
  std::vector<double> times;
  double spent = 0;
  while (times.empty() || (budget > 0 ? spent < budget : times.size() < planned)) {
    const std::size_t run = times.size();
    times.push_back(time_once([&] { fn(run); }));
    spent += times.back();
    const double done = budget > 0 ? spent / budget : static_cast<double>(times.size()) / static_cast<double>(planned);
    tick(std::min(done, 1.0));
  }
  return times;
}

}  // namespace sesame::bench
