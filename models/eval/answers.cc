#include "models/eval/answers.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <string_view>

namespace sesame::models {

Answers answer_texts(const std::shared_ptr<const Model>& model, std::span<const LabelledText> data, int threads,
                     const std::function<void(double share)>& progress) {
  constexpr std::size_t kBatch = 32;
  Session session(model, {.threads = threads});
  Answers answers;
  std::vector<std::string_view> texts;
  for (std::size_t begin = 0; begin < data.size(); begin += kBatch) {
    texts.clear();
    for (const auto& each : data.subspan(begin, std::min(kBatch, data.size() - begin))) texts.push_back(each.text);
    for (const Classification& answer : session.classify(texts)) {
      answers.labels.push_back(answer.label_id);
      answers.logits.insert(answers.logits.end(), answer.logits.begin(), answer.logits.end());
    }
    if (progress) progress(static_cast<double>(answers.labels.size()) / static_cast<double>(data.size()));
  }
  return answers;
}

double signal_to_noise(std::span<const float> reference, std::span<const float> x) {
  assert(reference.size() == x.size());
  double signal = 0, noise = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double error = double{reference[i]} - x[i];
    signal += double{reference[i]} * reference[i];
    noise += error * error;
  }
  return 10 * std::log10(signal / noise);
}

}  // namespace sesame::models
