#include "bench/accuracy.h"

#include <iterator>

namespace sesame::bench {

void TaskAnswers::add(Contestant& engine, const std::string& precision, const std::string& format, std::size_t batch,
                      const std::function<void(double)>& tick) {
  const auto answer = [&](const TokenBatch& batch) { return engine.answer(batch); };
  answers_.insert_or_assign({engine.facts().engine, precision, format}, answer_all(*task_, batch, answer, tick));
}

void TaskAnswers::fill(Result& result) const {
  const auto own = answers_.find({result.engine, result.precision, result.format});
  if (own == answers_.end()) return;
  result.metrics = task_->metrics(own->second);
  result.accuracy = result.metrics[0].value;
  if (const Metric* in_scope = find_metric(result.metrics, "accuracy_in_scope")) {
    result.accuracy_in_scope = in_scope->value;
  }
  const auto reference = answers_.find({"sesame", "fp32", ""});
  if (reference == answers_.end()) return;
  auto compared = compare_with_reference(*task_, own->second, reference->second);
  if (const Metric* agreement = find_metric(compared, "agreement")) result.agreement = agreement->value;
  std::ranges::move(compared, std::back_inserter(result.metrics));
}

}  // namespace sesame::bench
