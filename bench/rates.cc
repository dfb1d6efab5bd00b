#include "bench/rates.h"

#include <algorithm>
#include <numeric>

#include "models/macs.h"

namespace sesame::bench {
namespace {

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return quantile(values, 0.5);
}

double sum(std::span<const std::size_t> lengths) {
  return static_cast<double>(std::accumulate(lengths.begin(), lengths.end(), std::size_t{0}));
}

// Averages over the workload's first `runs` batches, those that were run.
struct Work {
  double tokens = 0;
  double padded_tokens = 0;
  double macs = 0;
};

Work average_work(const Workload& workload, const LoadedModel& model, std::size_t runs) {
  Work work;
  const std::size_t batches = std::min(runs, workload.batches.size());
  for (std::size_t i = 0; i < batches; ++i) {
    const auto each = lengths(workload.batches[i]);
    const auto share = 1 / static_cast<double>(batches);
    work.tokens += sum(each) * share;
    work.padded_tokens += static_cast<double>(each.size() * std::ranges::max(each)) * share;
    work.macs += executed_macs(model, each) * share;
  }
  return work;
}

}  // namespace

void add_rates(const Rounds& rounds, std::size_t g, const Workload& workload, const LoadedModel& model,
               Result& result) {
  const auto times = all_runs(rounds.of_group[g]);
  result.runs = times.size();
  result.latency_ms = summarize(times);
  if (result.instances > 1 || result.rate) {
    result.samples_per_s = median(rounds.samples_per_s[g]);
  } else {
    const double ms = result.length ? result.latency_ms.p50 : result.latency_ms.mean;
    result.samples_per_s = static_cast<double>(result.batch) / ms * 1000;
  }
  const Work work = average_work(workload, model, result.runs);
  const double runs_per_s = result.samples_per_s / static_cast<double>(result.batch);
  result.tokens_per_s = work.tokens * runs_per_s;
  if (!result.length) {
    result.tokens = work.tokens;
    result.padded_tokens = work.padded_tokens;
  }
  if (work.macs == 0) return;
  result.gmacs = work.macs / 1e9;
  result.gmacs_per_s = *result.gmacs * runs_per_s;
  if (rounds.probed[g].empty()) return;
  result.peak_gmacs = median(rounds.probed[g]);
  result.peak_share = *result.gmacs_per_s / (*result.peak_gmacs * result.threads * result.instances);
}

}  // namespace sesame::bench
