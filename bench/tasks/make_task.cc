#include <algorithm>
#include <fstream>
#include <iterator>

#include "bench/tasks/list.h"

namespace sesame::bench {
namespace {

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

}  // namespace

std::unique_ptr<Task> make_task(const std::filesystem::path& data, const LoadedModel& model) {
  if (is_conll(data)) return make_entity_task(models::read_conll(data), model);
  if (is_squad(data)) return make_squad_task(models::read_squad(data), model);
  const auto file = models::read_examples(data);
  if (file.kind == models::ExampleKind::similarity) {
    return is_regression(model) ? make_regression_task(file, model) : make_embedding_task(file, model);
  }
  return make_classification_task(file, model);
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
