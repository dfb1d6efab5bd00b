#include "models/synthesis/architecture.h"

#include <algorithm>
#include <array>
#include <utility>

#include "models/synthesis/vocabulary.h"
#include "sesame/error.h"

namespace sesame::models::synthesis {

namespace {

const std::vector<Architecture>& architectures() {
  static const std::vector<Architecture> all = {distilbert(), bert(),    minilm(),     albert(),
                                                electra(),    roberta(), mobilebert(), deberta_v3()};
  return all;
}

constexpr std::array<std::pair<Task, std::string_view>, 5> kTaskNames = {{
    {Task::sequence_classification, "sequence-classification"},
    {Task::encoder, "encoder"},
    {Task::token_classification, "token-classification"},
    {Task::question_answering, "question-answering"},
    {Task::masked_lm, "masked-lm"},
}};

template <class Names>
std::string listed(const Names& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

// Sizes that only some architectures have: those whose published one is not 0.
struct OwnSize {
  const char* name;
  std::int64_t ModelSpec::*size;
  std::int64_t most;
};
constexpr OwnSize kOwnSizes[] = {{"embedding", &ModelSpec::embedding, 1 << 16},
                                 {"bottleneck", &ModelSpec::bottleneck, 1 << 16},
                                 {"feed-forwards", &ModelSpec::feed_forwards, 1 << 6},
                                 {"buckets", &ModelSpec::buckets, 1 << 16}};

void check_range(std::string_view what, std::int64_t value, std::int64_t low, std::int64_t high) {
  if (value >= low && value <= high) return;
  throw Error(std::string(what) + ": expected a number from " + std::to_string(low) + " to " + std::to_string(high) +
              ", found " + std::to_string(value));
}

// Of the matrices and tables; the ranges keep it far from overflow.
std::int64_t parameter_count(const ModelSpec& spec) {
  const std::int64_t tables = (spec.vocab * (spec.task == Task::masked_lm ? 2 : 1) + spec.max_positions) * spec.hidden;
  const std::int64_t layer =
      4 * spec.hidden * spec.hidden + 2 * spec.hidden * spec.ffn * std::max<std::int64_t>(spec.feed_forwards, 1);
  return tables + spec.layers * layer + (has_labels(spec.task) ? spec.labels * spec.hidden : 0);
}

}  // namespace

std::vector<Task> all_tasks() {
  std::vector<Task> tasks;
  for (const auto& entry : kTaskNames) tasks.push_back(entry.first);
  return tasks;
}

std::string_view name(Task task) {
  return std::find_if(kTaskNames.begin(), kTaskNames.end(), [&](const auto& entry) { return entry.first == task; })
      ->second;
}

Task task_of(std::string_view name) {
  std::vector<std::string_view> names;
  for (const auto& [task, task_name] : kTaskNames) {
    if (task_name == name) return task;
    names.push_back(task_name);
  }
  throw Error("task: expected one of " + listed(names) + ", found '" + std::string(name) + "'");
}

std::vector<std::string> architecture_names() {
  std::vector<std::string> names;
  for (const Architecture& architecture : architectures()) names.push_back(architecture.published.architecture);
  return names;
}

const Architecture& find_architecture(std::string_view name) {
  for (const Architecture& architecture : architectures()) {
    if (architecture.published.architecture == name) return architecture;
  }
  throw Error("architecture: expected one of " + listed(architecture_names()) + ", found '" + std::string(name) + "'");
}

ModelSpec published_spec(std::string_view architecture) { return find_architecture(architecture).published; }

void check(const ModelSpec& spec) {
  const Architecture& architecture = find_architecture(spec.architecture);
  if (std::find(architecture.tasks.begin(), architecture.tasks.end(), spec.task) == architecture.tasks.end()) {
    throw Error(spec.architecture + " has no task '" + std::string(name(spec.task)) + "'");
  }
  check_range("hidden", spec.hidden, 1, 1 << 16);
  check_range("layers", spec.layers, 1, 1 << 10);
  check_range("heads", spec.heads, 1, spec.hidden);
  check_range("ffn", spec.ffn, 1, 1 << 20);
  check_range("vocab", spec.vocab, kSmallestVocabulary, 1 << 24);
  check_range("max-positions", spec.max_positions, 2, 1 << 20);
  check_range("labels", spec.labels, 1, 1 << 20);
  for (const OwnSize& own : kOwnSizes) {
    if (architecture.published.*own.size != 0) check_range(own.name, spec.*own.size, 1, own.most);
    if (architecture.published.*own.size == 0 && spec.*own.size != 0) {
      throw Error(std::string(own.name) + ": " + spec.architecture + " has none");
    }
  }
  if (spec.buckets % 2 != 0 || (spec.buckets != 0 && spec.buckets / 2 >= spec.max_positions - 1)) {
    throw Error("buckets: expected an even number below twice the positions less 2, found " +
                std::to_string(spec.buckets));
  }
  const std::int64_t width = spec.bottleneck == 0 ? spec.hidden : spec.bottleneck;
  if (width % spec.heads != 0) {
    throw Error("heads: expected a divisor of " + std::string(spec.bottleneck == 0 ? "hidden " : "bottleneck ") +
                std::to_string(width) + ", found " + std::to_string(spec.heads));
  }
  constexpr std::int64_t kMostParameters = std::int64_t{1} << 31;
  if (parameter_count(spec) > kMostParameters) {
    throw Error("a model of these sizes: expected at most " + std::to_string(kMostParameters) + " parameters, found " +
                std::to_string(parameter_count(spec)));
  }
}

void add_labels(nlohmann::ordered_json& config, const ModelSpec& spec) {
  if (!has_labels(spec.task)) return;
  nlohmann::ordered_json to_label = nlohmann::ordered_json::object();
  nlohmann::ordered_json to_id = nlohmann::ordered_json::object();
  for (std::int64_t id = 0; id < spec.labels; ++id) {
    const std::string number = std::to_string(id);
    to_label.push_back({number, "LABEL_" + number});
    to_id.push_back({"LABEL_" + number, id});
  }
  config["id2label"] = std::move(to_label);
  config["label2id"] = std::move(to_id);
}

}  // namespace sesame::models::synthesis
