#include "bench/accuracy.h"

#include <algorithm>

#include "models/eval/metrics.h"

namespace sesame::bench {
namespace {

std::vector<std::size_t> predict_labels(const std::shared_ptr<const Model>& model,
                                        std::span<const models::LabelledText> data, int threads) {
  constexpr std::size_t kBatch = 32;
  Session session(model, {.threads = threads});
  std::vector<std::size_t> predicted;
  predicted.reserve(data.size());
  std::vector<std::string_view> texts;
  for (std::size_t begin = 0; begin < data.size(); begin += kBatch) {
    texts.clear();
    for (const auto& each : data.subspan(begin, std::min(kBatch, data.size() - begin))) texts.push_back(each.text);
    for (const Classification& answer : session.classify(texts)) predicted.push_back(answer.label_id);
  }
  return predicted;
}

}  // namespace

Accuracy score(std::span<const std::size_t> predicted, std::span<const models::LabelledText> data,
               std::span<const std::string> labels) {
  const auto expected = models::label_indices(data, labels);
  Accuracy accuracy;
  accuracy.overall = models::matching_share(predicted, expected);
  const auto label = std::ranges::find(labels, models::kOutOfScope);
  const auto out_of_scope = static_cast<std::size_t>(label - labels.begin());
  if (std::ranges::find(expected, out_of_scope) != expected.end()) {
    accuracy.in_scope = models::matching_share_without(predicted, expected, out_of_scope);
  }
  return accuracy;
}

void LabelledAnswers::add(const std::string& path, const std::shared_ptr<const Model>& model) {
  if (model->labels().empty()) {
    throw Error(path + ": expected a classifier for labelled texts, found a model without labels");
  }
  labels_ = model->labels();
  models::label_indices(data_, labels_);  // refuses labels that the model does not have before the long part
  predicted_.insert_or_assign(model->precision(), predict_labels(model, data_, threads_));
}

void LabelledAnswers::fill(Precision precision, Result& result) const {
  const auto& predicted = predicted_.at(precision);
  const Accuracy accuracy = score(predicted, data_, labels_);
  result.accuracy = accuracy.overall;
  result.accuracy_in_scope = accuracy.in_scope;
  const auto fp32 = predicted_.find(Precision::fp32);
  if (fp32 != predicted_.end()) result.agreement = models::matching_share(predicted, fp32->second);
}

}  // namespace sesame::bench
