#include "bench/task_yardstick.h"

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "bench/engines/sesame_contestant.h"
#include "bench/subject.h"

namespace sesame::bench {
namespace {

constexpr std::size_t kSampleRows = 500;
constexpr std::size_t kBatch = 32;
constexpr std::size_t kBatchOverPositions = 8;  // whose outputs are large

std::string percent(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f %%", 100 * x);
  return text;
}

}  // namespace

std::vector<float> TaskYardstick::sample(const std::shared_ptr<const Model>& model, const Tick& tick) const {
  const std::size_t all = task_->rows().size(), count = std::min(kSampleRows, all);
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < count; ++i) rows.push_back(i * all / count);
  const Answers some = answers(model, rows, tick);
  std::vector<float> floats;
  for (std::size_t i = 0; i < count; ++i) {
    const auto compared = task_->compared(rows[i], some[i]);
    floats.insert(floats.end(), compared.begin(), compared.end());
  }
  return floats;
}

Answers TaskYardstick::answers(const std::shared_ptr<const Model>& model, const Tick& tick) const {
  std::vector<std::size_t> rows(task_->rows().size());
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  return answers(model, rows, tick);
}

Answers TaskYardstick::answers(const std::shared_ptr<const Model>& model, std::span<const std::size_t> rows,
                               const Tick& tick) const {
  SesameContestant ours(model, 0, threads_);
  const std::size_t batch = answers_depend_on_batch(model->loaded()) ? 1
                            : task_->is_over_positions()             ? kBatchOverPositions
                                                                     : kBatch;
  return answer_rows(
      *task_, rows, batch, [&](const TokenBatch& some) { return ours.answer(some); }, tick);
}

std::string compare_line(const Task& task, const Answers& fp32, const Answers& int8) {
  const auto want = task.metrics(fp32), got = task.metrics(int8);
  std::string line;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const bool is_share = want[i].name != "perplexity";
    line += want[i].name + ": fp32 " + (is_share ? percent(want[i].value) : fixed(want[i].value, 3)) + ", int8 " +
            (is_share ? percent(got[i].value) : fixed(got[i].value, 3)) + "; ";
  }
  const auto compared = compare_with_reference(task, int8, fp32);
  if (const Metric* same = find_metric(compared, "agreement")) line += "same answer " + percent(same->value) + "; ";
  const Metric* decibels = find_metric(compared, "snr_db");
  return line + (decibels == nullptr ? "nothing lost" : "outputs " + fixed(decibels->value, 1) + " dB");
}

}  // namespace sesame::bench
