#include "bench/tasks/list.h"

namespace sesame::bench {
namespace {

constexpr std::size_t kNoToken = static_cast<std::size_t>(-1);  // of a word that was cut off

// The code points of UTF-8 text, as offsets count them.
std::uint32_t code_points(std::string_view text) {
  std::uint32_t count = 0;
  for (const char c : text) count += (c & 0xC0) != 0x80;
  return count;
}

// The tags by index. A model's labels are those of classifiers of whole texts.
const std::vector<std::string>& tags_of(const LoadedModel& model) {
  return model.labels.empty() ? model.config.labels : model.labels;
}

class EntityTask final : public Task {
 public:
  EntityTask(const std::vector<models::TaggedSentence>& data, const LoadedModel& model) : labels_(tags_of(model)) {
    for (const auto& each : data) {
      add(each, model);
      expected_.push_back(each.tags);
    }
  }

  bool is_over_positions() const override { return true; }

  std::vector<float> keep(std::size_t, std::span<const RowOutput> outputs) const override {
    const auto values = find_output(outputs, "logits", 3).values;
    return {values.begin(), values.end()};
  }

  std::vector<Metric> metrics(const Answers& answers) const override {
    const auto predicted = tags(answers);
    const auto score = models::score_entities(predicted, expected_);
    double same = 0;
    double words = 0;
    for (std::size_t i = 0; i < predicted.size(); ++i) {
      words += static_cast<double>(predicted[i].size());
      for (std::size_t j = 0; j < predicted[i].size(); ++j) same += predicted[i][j] == expected_[i][j];
    }
    return {{"f1", score.f1}, {"precision", score.precision}, {"recall", score.recall}, {"accuracy", same / words}};
  }

  std::vector<std::string> decisions(const Answers& answers) const override {
    std::vector<std::string> all;
    for (const auto& each : tags(answers)) all.insert(all.end(), each.begin(), each.end());
    return all;
  }

 private:
  // The words joined by blanks, and of each the first token that touches it.
  void add(const models::TaggedSentence& sentence, const LoadedModel& model) {
    std::string text;
    std::vector<Offset> spans;
    std::uint32_t at = 0;
    for (const std::string& word : sentence.words) {
      if (!text.empty()) text += ' ';
      at += text.empty() ? 0 : 1;
      spans.push_back({at, at + code_points(word)});
      text += word;
      at = spans.back().end;
    }
    const auto encoding = tokenizer_of(model).encode(text, {.max_length = model.max_tokens});
    std::vector<std::size_t> first(spans.size(), kNoToken);
    for (std::size_t word = 0; word < spans.size(); ++word) {
      for (std::size_t i = 0; i < encoding.offsets.size() && first[word] == kNoToken; ++i) {
        const Offset& offset = encoding.offsets[i];
        if (offset.begin < offset.end && offset.begin < spans[word].end && offset.end > spans[word].begin)
          first[word] = i;
      }
    }
    first_tokens_.push_back(std::move(first));
    rows_.push_back({encoding.ids, encoding.type_ids});
  }

  std::vector<std::vector<std::string>> tags(const Answers& answers) const {
    std::vector<std::vector<std::string>> all;
    for (std::size_t row = 0; row < answers.size(); ++row) {
      auto& tags = all.emplace_back();
      for (const std::size_t token : first_tokens_[row]) {
        const bool is_there = token != kNoToken && (token + 1) * labels_.size() <= answers[row].size();
        tags.push_back(
            !is_there ? "O" : labels_[argmax(std::span(answers[row]).subspan(token * labels_.size(), labels_.size()))]);
      }
    }
    return all;
  }

  std::vector<std::string> labels_;
  std::vector<std::vector<std::string>> expected_;
  std::vector<std::vector<std::size_t>> first_tokens_;
};

}  // namespace

std::unique_ptr<Task> make_entity_task(const std::vector<models::TaggedSentence>& data, const LoadedModel& model) {
  if (tags_of(model).size() < 2) {
    throw Error(model.onnx_file.string() + ": expected a model with tags for tagged words, found one without labels");
  }
  return std::make_unique<EntityTask>(data, model);
}

}  // namespace sesame::bench
