#include <cstdlib>

#include "bench/tasks/list.h"
#include "models/eval/metrics.h"

namespace sesame::bench {
namespace {

std::vector<double> scores(const models::ExampleFile& data) {
  std::vector<double> scores;
  for (const auto& each : data.examples) scores.push_back(std::strtod(each.label.c_str(), nullptr));
  return scores;
}

class RegressionTask final : public Task {
 public:
  RegressionTask(const models::ExampleFile& data, const LoadedModel& model) : expected_(scores(data)) {
    for (const auto& each : data.examples) rows_.push_back(encode_row(model, each));
  }

  bool is_over_positions() const override { return false; }

  std::vector<float> keep(std::size_t, std::span<const RowOutput> outputs) const override {
    return {find_output(outputs, "logits", 2).values.front()};
  }

  std::vector<Metric> metrics(const Answers& answers) const override {
    std::vector<double> predicted;
    for (const auto& each : answers) predicted.push_back(each[0]);
    return {{"pearson", models::pearson_correlation(predicted, expected_)},
            {"spearman", models::spearman_correlation(predicted, expected_)}};
  }

  std::vector<std::string> decisions(const Answers&) const override { return {}; }

 private:
  std::vector<double> expected_;
};

class EmbeddingTask final : public Task {
 public:
  EmbeddingTask(const models::ExampleFile& data, const LoadedModel& model) : expected_(scores(data)) {
    for (const auto& each : data.examples) {
      rows_.push_back(encode_row(model, {each.text, std::nullopt, {}}));
      rows_.push_back(encode_row(model, {*each.pair, std::nullopt, {}}));
    }
  }

  bool is_over_positions() const override { return true; }

  std::vector<float> keep(std::size_t, std::span<const RowOutput> outputs) const override {
    for (const RowOutput& each : outputs) {
      if (each.name == "sentence_embedding") return {each.values.begin(), each.values.end()};
    }
    const RowOutput& states = find_output(outputs, "last_hidden_state", 3);
    const auto hidden = static_cast<std::size_t>(states.shape.back());
    const std::size_t tokens = states.values.size() / hidden;
    std::vector<float> mean(hidden, 0.0F);
    for (std::size_t i = 0; i < states.values.size(); ++i) mean[i % hidden] += states.values[i];
    for (float& each : mean) each /= static_cast<float>(tokens);
    return mean;
  }

  std::vector<Metric> metrics(const Answers& answers) const override {
    std::vector<double> cosines;
    for (std::size_t i = 0; i + 1 < answers.size(); i += 2)
      cosines.push_back(models::cosine(answers[i], answers[i + 1]));
    return {{"spearman", models::spearman_correlation(cosines, expected_)},
            {"pearson", models::pearson_correlation(cosines, expected_)}};
  }

  std::vector<std::string> decisions(const Answers&) const override { return {}; }

 private:
  std::vector<double> expected_;
};

}  // namespace

std::unique_ptr<Task> make_regression_task(const models::ExampleFile& data, const LoadedModel& model) {
  return std::make_unique<RegressionTask>(data, model);
}

std::unique_ptr<Task> make_embedding_task(const models::ExampleFile& data, const LoadedModel& model) {
  return std::make_unique<EmbeddingTask>(data, model);
}

}  // namespace sesame::bench
