#include <algorithm>
#include <cmath>

#include "bench/tasks/list.h"

namespace sesame::bench {
namespace {

// Logits that are kept of each token, evenly over the vocabulary, to be compared with fp32's: all of them would be
// gigabytes.
constexpr std::size_t kKept = 256;

double log_probability(std::span<const float> logits, std::size_t token) {
  const double largest = *std::ranges::max_element(logits);
  double sum = 0;
  for (const float each : logits) sum += std::exp(each - largest);
  return logits[token] - largest - std::log(sum);
}

// Keeps of a row with n tokens asked for: n answers, n log probabilities of what was expected, n times some logits.
class MaskedTokenTask final : public Task {
 public:
  explicit MaskedTokenTask(std::vector<models::MaskedRow> data) : data_(std::move(data)) {
    for (models::MaskedRow& each : data_) rows_.push_back({std::move(each.ids), std::move(each.type_ids)});
  }

  bool is_over_positions() const override { return true; }

  std::vector<float> keep(std::size_t row, std::span<const RowOutput> outputs) const override {
    const RowOutput& logits = find_output(outputs, "logits", 3);
    if (logits.shape.size() != 3) {
      throw Error("output '" + std::string(logits.name) +
                  "': expected logits over the vocabulary at each position, to ask for masked tokens, found " +
                  std::to_string(logits.shape.size()) + " dimensions");
    }
    const auto vocab = static_cast<std::size_t>(logits.shape[2]);
    const std::size_t some = std::min(vocab, kKept);
    std::vector<float> answers, probabilities, kept;
    for (const auto& asked : data_[row].asked) {
      if (asked.expected < 0 || static_cast<std::size_t>(asked.expected) >= vocab) {
        throw Error("token " + std::to_string(asked.expected) + " is none of the model's " + std::to_string(vocab));
      }
      const auto own = logits.values.subspan(asked.position * vocab, vocab);
      answers.push_back(static_cast<float>(argmax(own)));
      probabilities.push_back(static_cast<float>(log_probability(own, static_cast<std::size_t>(asked.expected))));
      for (std::size_t i = 0; i < some; ++i) kept.push_back(own[i * vocab / some]);
    }
    answers.insert(answers.end(), probabilities.begin(), probabilities.end());
    answers.insert(answers.end(), kept.begin(), kept.end());
    return answers;
  }

  std::span<const float> compared(std::size_t row, std::span<const float> answer) const override {
    return answer.subspan(2 * data_[row].asked.size());
  }

  std::vector<Metric> metrics(const Answers& answers) const override {
    double right = 0, asked = 0, surprise = 0;
    for (std::size_t row = 0; row < answers.size(); ++row) {
      const auto& wanted = data_[row].asked;
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        right += static_cast<std::int64_t>(answers[row][i]) == wanted[i].expected;
        surprise -= answers[row][wanted.size() + i];
      }
      asked += static_cast<double>(wanted.size());
    }
    return {{"accuracy", right / asked}, {"perplexity", std::exp(surprise / asked)}};
  }

  std::vector<std::string> decisions(const Answers& answers) const override {
    std::vector<std::string> tokens;
    for (std::size_t row = 0; row < answers.size(); ++row) {
      for (std::size_t i = 0; i < data_[row].asked.size(); ++i) {
        tokens.push_back(std::to_string(static_cast<std::int64_t>(answers[row][i])));
      }
    }
    return tokens;
  }

 private:
  std::vector<models::MaskedRow> data_;  // without ids, which are the task's rows
};

}  // namespace

std::unique_ptr<Task> make_masked_token_task(std::vector<models::MaskedRow> data) {
  return std::make_unique<MaskedTokenTask>(std::move(data));
}

}  // namespace sesame::bench
