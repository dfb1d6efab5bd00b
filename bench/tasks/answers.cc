#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "bench/tasks/task.h"
#include "models/eval/metrics.h"

namespace sesame::bench {
namespace {

TokenBatch make_batch(const Task& task, std::span<const std::size_t> rows) {
  TokenBatch batch;
  for (const std::size_t row : rows) batch.add(task.rows()[row].ids, task.rows()[row].type_ids);
  return batch;
}

std::vector<RowOutput> outputs_of_row(const std::vector<NamedOutput>& outputs, std::size_t row, std::size_t rows,
                                      std::size_t tokens, bool over_positions) {
  std::vector<RowOutput> some;
  for (const NamedOutput& each : outputs) {
    if (each.shape.empty() || each.shape[0] != static_cast<std::int64_t>(rows)) continue;
    const std::size_t stride = each.values.size() / rows;
    auto values = std::span(each.values).subspan(row * stride, stride);
    if (over_positions && each.shape.size() >= 2 && each.shape[1] > 0) {
      values = values.first(std::min(values.size(), tokens * (stride / static_cast<std::size_t>(each.shape[1]))));
    }
    some.push_back({each.name, each.shape, values});
  }
  return some;
}

}  // namespace

Answers answer_all(const Task& task, std::size_t batch,
                   const std::function<std::vector<NamedOutput>(const TokenBatch&)>& answer,
                   const std::function<void(double)>& tick) {
  std::vector<std::size_t> rows(task.rows().size());
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  return answer_rows(task, rows, batch, answer, tick);
}

Answers answer_rows(const Task& task, std::span<const std::size_t> rows, std::size_t batch,
                    const std::function<std::vector<NamedOutput>(const TokenBatch&)>& answer,
                    const std::function<void(double)>& tick) {
  Answers answers;
  for (std::size_t begin = 0; begin < rows.size(); begin += batch) {
    const auto some = rows.subspan(begin, std::min(batch, rows.size() - begin));
    const auto outputs = answer(make_batch(task, some));
    for (std::size_t i = 0; i < some.size(); ++i) {
      const std::size_t tokens = task.rows()[some[i]].ids.size();
      const auto own = outputs_of_row(outputs, i, some.size(), tokens, task.is_over_positions());
      answers.push_back(task.keep(some[i], own));
    }
    tick(static_cast<double>(answers.size()) / static_cast<double>(rows.size()));
  }
  return answers;
}

std::vector<Metric> compare_with_reference(const Task& task, const Answers& answers, const Answers& reference) {
  double largest = 0;
  double noise = 0;
  double power = 0;
  double cosine = 1;
  for (std::size_t row = 0; row < answers.size(); ++row) {
    const auto own = task.compared(row, answers[row]);
    const auto want = task.compared(row, reference[row]);
    for (std::size_t i = 0; i < own.size(); ++i) {
      const double d = static_cast<double>(own[i]) - want[i];
      largest = std::isnan(d) ? d : std::max(largest, std::abs(d));
      noise += d * d;
      power += static_cast<double>(want[i]) * want[i];
    }
    cosine = std::min(cosine, models::cosine(own, want));
  }
  std::vector<Metric> metrics;
  const auto ours = task.decisions(answers);
  const auto theirs = task.decisions(reference);
  if (!ours.empty()) {
    double same = 0;
    for (std::size_t i = 0; i < ours.size(); ++i) same += ours[i] == theirs[i];
    metrics.push_back({"agreement", same / static_cast<double>(ours.size())});
  }
  metrics.push_back({"logit_error", largest});
  if (noise > 0) metrics.push_back({"snr_db", 10 * std::log10(power / noise)});
  metrics.push_back({"cosine_to_fp32", cosine});
  return metrics;
}

}  // namespace sesame::bench
