#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <limits>
#include <utility>

#include "bench/tasks/list.h"
#include "models/calibration_texts.h"

namespace sesame::bench {
namespace {

// Of texts that come without masks: every so many tokens one is masked, but no more than so many in all.
constexpr std::size_t kMaskEvery = 7;
constexpr std::size_t kMostMasks = 2000;

struct Named {
  TaskKind kind;
  std::string_view name;
  std::string_view data;  // what its file holds
};
constexpr std::array<Named, 7> kTasks = {{
    {TaskKind::automatic, "auto", ""},
    {TaskKind::classification, "classification", "texts or pairs with classes"},
    {TaskKind::regression, "regression", "pairs with scores"},
    {TaskKind::embeddings, "embeddings", "pairs with scores"},
    {TaskKind::entities, "entities", "words with tags (.conll, .bio, .iob)"},
    {TaskKind::question_answering, "question-answering", "SQuAD 1.1's JSON"},
    {TaskKind::masked_tokens, "masked-tokens", "texts, or rows of ids and labels (.jsonl)"},
}};
constexpr std::array<std::pair<std::string_view, TaskKind>, 5> kShort = {{
    {"pairs", TaskKind::classification},
    {"ner", TaskKind::entities},
    {"qa", TaskKind::question_answering},
    {"mlm", TaskKind::masked_tokens},
    {"fill-mask", TaskKind::masked_tokens},
}};

const Named& named(TaskKind kind) { return *std::ranges::find(kTasks, kind, &Named::kind); }

// SQuAD's file begins with its one or two keys; CLINC150's has lists at the top.
bool is_squad(const std::filesystem::path& file) {
  if (file.extension() != ".json") return false;
  std::ifstream in(file, std::ios::binary);
  std::string start(4096, '\0');
  in.read(start.data(), static_cast<std::streamsize>(start.size()));
  start.resize(static_cast<std::size_t>(in.gcount()));
  return start.find("\"paragraphs\"") != std::string::npos || start.find("\"data\"") != std::string::npos;
}

bool is_conll(const std::filesystem::path& file) {
  const auto extension = file.extension();
  return extension == ".conll" || extension == ".bio" || extension == ".iob";
}

bool is_regression(const LoadedModel& model) {
  return model.config.problem_type == "regression" || model.labels.size() == 1;
}

std::vector<models::MaskedRow> masked_rows(const std::filesystem::path& data, const LoadedModel& model) {
  if (data.extension() == ".jsonl") return models::read_masked_rows(data);
  const auto texts = models::read_calibration_texts(data, std::numeric_limits<std::size_t>::max(), 0);
  auto rows = models::mask_tokens(tokenizer_of(model), texts, model.max_tokens, kMaskEvery);
  if (rows.empty()) throw Error(data.string() + ": expected tokens to mask, found fewer than one");
  if (rows.size() <= kMostMasks) return rows;
  std::vector<models::MaskedRow> some;
  for (std::size_t i = 0; i < kMostMasks; ++i) some.push_back(std::move(rows[i * rows.size() / kMostMasks]));
  return some;
}

// Throws unless the file's task is the one that was asked for.
void check_kind(TaskKind asked, TaskKind found, const std::filesystem::path& data) {
  if (asked == TaskKind::automatic || asked == found) return;
  throw Error(data.string() + ": expected " + std::string(named(asked).data) + " for task " +
              std::string(named(asked).name) + ", found " + std::string(named(found).data));
}

}  // namespace

std::string_view name(TaskKind kind) { return named(kind).name; }

TaskKind parse_task(std::string_view text) {
  for (const Named& each : kTasks) {
    if (text == each.name) return each.kind;
  }
  for (const auto& [name, kind] : kShort) {
    if (text == name) return kind;
  }
  std::string names;
  for (const Named& each : kTasks) names += (names.empty() ? "" : ", ") + std::string(each.name);
  throw Error("expected a task (" + names + "), found '" + std::string(text) + "'");
}

std::unique_ptr<Task> make_task(const std::filesystem::path& data, const LoadedModel& model, TaskKind kind) {
  const bool has_masks = kind == TaskKind::automatic && data.extension() == ".jsonl";
  if (kind == TaskKind::masked_tokens || has_masks) return make_masked_token_task(masked_rows(data, model));
  if (is_conll(data)) {
    check_kind(kind, TaskKind::entities, data);
    return make_entity_task(models::read_conll(data), model);
  }
  if (is_squad(data)) {
    check_kind(kind, TaskKind::question_answering, data);
    return make_squad_task(models::read_squad(data), model);
  }
  const auto file = models::read_examples(data);
  if (file.kind != models::ExampleKind::similarity) {
    check_kind(kind, TaskKind::classification, data);
    return make_classification_task(file, model);
  }
  if (kind == TaskKind::automatic) kind = is_regression(model) ? TaskKind::regression : TaskKind::embeddings;
  if (kind == TaskKind::embeddings) return make_embedding_task(file, model);
  check_kind(kind, TaskKind::regression, data);
  return make_regression_task(file, model);
}

const Tokenizer& tokenizer_of(const LoadedModel& model) {
  if (!model.tokenizer) {
    throw Error(model.onnx_file.string() + ": expected a tokenizer beside the model for labelled texts, found none");
  }
  return *model.tokenizer;
}

TokenRow encode_row(const LoadedModel& model, const models::Example& example) {
  const EncodeOptions options{.max_length = model.max_tokens};
  const Tokenizer& tokenizer = tokenizer_of(model);
  auto encoding =
      example.pair ? tokenizer.encode(example.text, *example.pair, options) : tokenizer.encode(example.text, options);
  return {std::move(encoding.ids), std::move(encoding.type_ids)};
}

const RowOutput& find_output(std::span<const RowOutput> outputs, std::string_view name, std::size_t dimensions) {
  const auto named = std::ranges::find(outputs, name, &RowOutput::name);
  if (named != outputs.end()) return *named;
  const auto fitting = std::ranges::find(outputs, dimensions, [](const RowOutput& each) { return each.shape.size(); });
  if (fitting != outputs.end()) return *fitting;
  throw Error("expected an output '" + std::string(name) + "' or one of " + std::to_string(dimensions) +
              " dimensions for these labels, found none");
}

std::size_t argmax(std::span<const float> values) {
  return static_cast<std::size_t>(std::ranges::max_element(values) - values.begin());
}

}  // namespace sesame::bench
