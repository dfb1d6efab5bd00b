#include <algorithm>

#include "bench/tasks/list.h"
#include "models/eval/labelled_data.h"
#include "models/eval/metrics.h"

namespace sesame::bench {
namespace {

class ClassificationTask final : public Task {
 public:
  ClassificationTask(const models::ExampleFile& data, const LoadedModel& model)
      : labels_(model.labels), kind_(data.kind) {
    std::vector<models::LabelledText> labelled;
    for (const auto& each : data.examples) labelled.push_back({each.text, each.label});
    expected_ = models::label_indices(labelled, labels_);
    for (const auto& each : data.examples) rows_.push_back(encode_row(model, each));
  }

  bool is_over_positions() const override { return false; }

  std::vector<float> keep(std::size_t, std::span<const RowOutput> outputs) const override {
    const auto values = find_output(outputs, "logits", 2).values;
    return {values.begin(), values.end()};
  }

  std::vector<Metric> metrics(const Answers& answers) const override {
    const auto predicted = classes(answers);
    std::vector<Metric> metrics = {{"accuracy", models::matching_share(predicted, expected_)}};
    const auto oos = static_cast<std::size_t>(std::ranges::find(labels_, models::kOutOfScope) - labels_.begin());
    if (std::ranges::find(expected_, oos) != expected_.end()) {
      const auto in_scope = models::matching_share_without(predicted, expected_, oos);
      if (in_scope) metrics.push_back({"accuracy_in_scope", *in_scope});
    }
    if (labels_.size() != 2) return metrics;
    metrics.push_back({"f1", models::f1_score(predicted, expected_, 1)});
    const Metric matthews{"matthews", models::matthews_correlation(predicted, expected_)};
    metrics.insert(kind_ == models::ExampleKind::acceptability ? metrics.begin() : metrics.end(), matthews);
    return metrics;
  }

  std::vector<std::string> decisions(const Answers& answers) const override {
    std::vector<std::string> names;
    for (const std::size_t each : classes(answers)) names.push_back(labels_[each]);
    return names;
  }

 private:
  static std::vector<std::size_t> classes(const Answers& answers) {
    std::vector<std::size_t> classes;
    for (const auto& each : answers) classes.push_back(argmax(each));
    return classes;
  }

  std::vector<std::string> labels_;
  models::ExampleKind kind_;
  std::vector<std::size_t> expected_;
};

}  // namespace

std::unique_ptr<Task> make_classification_task(const models::ExampleFile& data, const LoadedModel& model) {
  if (model.labels.size() < 2) {
    throw Error(model.onnx_file.string() + ": expected a classifier for labelled texts, found a model without labels");
  }
  return std::make_unique<ClassificationTask>(data, model);
}

}  // namespace sesame::bench
