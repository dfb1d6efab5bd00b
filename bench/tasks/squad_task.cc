#include <algorithm>

#include "bench/tasks/list.h"
#include "bench/tasks/squad_windows.h"

namespace sesame::bench {
namespace {

class SquadTask final : public Task {
 public:
  SquadTask(const std::vector<models::SquadExample>& data, const LoadedModel& model) : data_(data) {
    WindowOptions options;
    if (model.max_tokens > 0) options.most_tokens = std::min(options.most_tokens, model.max_tokens);
    for (std::size_t i = 0; i < data_.size(); ++i) {
      for (Window& each : make_windows(tokenizer_of(model), data_[i].question, data_[i].context, options)) {
        rows_.push_back(each.row);
        windows_.push_back(std::move(each));
        example_.push_back(i);
      }
    }
  }

  bool is_over_positions() const override { return true; }

  // The start logits, then the end logits. Exports name them so, or give one output of [batch, tokens, 2].
  std::vector<float> keep(std::size_t, std::span<const RowOutput> outputs) const override {
    std::vector<float> kept;
    const auto has = [&](std::string_view name) {
      return std::ranges::find(outputs, name, &RowOutput::name) != outputs.end();
    };
    if (has("start_logits") && has("end_logits")) {
      for (const char* name : {"start_logits", "end_logits"}) {
        const auto values = find_output(outputs, name, 2).values;
        kept.insert(kept.end(), values.begin(), values.end());
      }
      return kept;
    }
    const auto both = find_output(outputs, "logits", 3).values;
    for (const std::size_t which : {0, 1}) {
      for (std::size_t i = which; i < both.size(); i += 2) kept.push_back(both[i]);
    }
    return kept;
  }

  std::vector<Metric> metrics(const Answers& answers) const override {
    const auto predicted = decisions(answers);
    double exact = 0;
    double f1 = 0;
    for (std::size_t i = 0; i < data_.size(); ++i) {
      exact += models::exact_match(predicted[i], data_[i].answers);
      f1 += models::answer_f1(predicted[i], data_[i].answers);
    }
    const auto n = static_cast<double>(data_.size());
    return {{"f1", f1 / n}, {"exact_match", exact / n}};
  }

  std::vector<std::string> decisions(const Answers& answers) const override {
    std::vector<std::optional<Span>> best(data_.size());
    for (std::size_t row = 0; row < answers.size(); ++row) {
      const std::span<const float> logits = answers[row];
      const auto span = best_span(windows_[row], logits.first(logits.size() / 2), logits.subspan(logits.size() / 2));
      auto& known = best[example_[row]];
      if (span && (!known || span->score > known->score)) known = span;
    }
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < data_.size(); ++i) {
      texts.push_back(best[i] ? code_point_range(data_[i].context, best[i]->offset) : std::string());
    }
    return texts;
  }

 private:
  std::vector<models::SquadExample> data_;
  std::vector<Window> windows_;       // by row
  std::vector<std::size_t> example_;  // by row
};

}  // namespace

std::unique_ptr<Task> make_squad_task(const std::vector<models::SquadExample>& data, const LoadedModel& model) {
  return std::make_unique<SquadTask>(data, model);
}

}  // namespace sesame::bench
