#include "models/config.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "models/json.h"

namespace sesame {
namespace {

constexpr std::int64_t kMaxCount = std::int64_t{1} << 31;
constexpr std::int64_t kMaxLabels = 1 << 20;

// The first of the names that config.json has; families call the same thing differently.
std::optional<std::int64_t> first_of(const Field& config, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (const auto field = config.find(name)) return field->integer(0, kMaxCount);
  }
  return std::nullopt;
}

std::int64_t parse_index(const Field& labels, const std::string& key, std::int64_t last) {
  std::int64_t index = -1;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), index);
  if (error != std::errc() || end != key.data() + key.size() || index < 0 || index > last) {
    labels.refuse("class numbers from 0 to " + std::to_string(last) + " as keys", in_quotes(key));
  }
  return index;
}

// {"0": "negative", "1": "positive"}. A class number in an honest file is below the number of classes or nearly so.
std::vector<std::string> read_labels(const Field& field) {
  const std::int64_t last =
      std::min<std::int64_t>(kMaxLabels, 2 * static_cast<std::int64_t>(field.object().size()) + 64);
  std::vector<std::string> labels;
  for (const auto& [key, value] : field.object().items()) {
    const auto index = static_cast<std::size_t>(parse_index(field, key, last));
    for (std::size_t i = labels.size(); i <= index; ++i) labels.push_back("LABEL_" + std::to_string(i));
    labels[index] = field.at(key).string();
  }
  return labels;
}

std::vector<std::string> read_strings(const Field& field) {
  std::vector<std::string> strings;
  for (std::size_t i = 0; i < field.array().size(); ++i) strings.push_back(field.element(i).string());
  return strings;
}

void read_config(const Field& json, ModelConfig& config) {
  config.model_type = json.string_or("model_type", "");
  config.problem_type = json.string_or("problem_type", "");
  if (const auto field = json.find("architectures")) config.architectures = read_strings(*field);
  if (const auto field = json.find("id2label")) config.labels = read_labels(*field);
  config.num_labels = first_of(json, {"num_labels", "_num_labels"});
  if (!config.num_labels && !config.labels.empty()) config.num_labels = static_cast<std::int64_t>(config.labels.size());
  config.hidden = first_of(json, {"hidden_size", "dim"});
  config.layers = first_of(json, {"num_hidden_layers", "n_layers"});
  config.heads = first_of(json, {"num_attention_heads", "n_heads"});
  config.ffn = first_of(json, {"intermediate_size", "hidden_dim"});
  config.vocab = first_of(json, {"vocab_size"});
  config.max_position_embeddings = first_of(json, {"max_position_embeddings"});
  config.type_vocab_size = first_of(json, {"type_vocab_size"});
  config.pad_token_id = first_of(json, {"pad_token_id"});
}

// Tokenizers without a limit write 10^30, as an integer or in floating point.
std::optional<std::int64_t> read_max_length(const Field& json) {
  const auto field = json.find("model_max_length");
  if (!field || (field->is_number() && field->number() > static_cast<double>(kMaxCount))) return std::nullopt;
  return field->integer(1, kMaxCount);
}

bool numbers_positions_after_padding(std::string_view model_type) {
  constexpr std::string_view kTypes[] = {"roberta", "xlm-roberta", "camembert",    "xlm-roberta-xl",
                                         "mpnet",   "longformer",  "data2vec-text"};
  return std::find(std::begin(kTypes), std::end(kTypes), model_type) != std::end(kTypes);
}

}  // namespace

std::optional<std::int64_t> ModelConfig::max_tokens() const {
  std::optional<std::int64_t> most = model_max_length;
  if (!max_position_embeddings) return most;
  std::int64_t rows = *max_position_embeddings;
  if (numbers_positions_after_padding(model_type)) rows -= pad_token_id.value_or(1) + 1;
  rows = std::max<std::int64_t>(rows, 0);
  return most ? std::min(*most, rows) : rows;
}

std::string ModelConfig::label(std::int64_t index) const {
  const auto place = static_cast<std::size_t>(index);
  return place < labels.size() ? labels[place] : "LABEL_" + std::to_string(index);
}

ModelConfig read_model_config(const FileSet& files) {
  ModelConfig config;
  if (const auto json = read_json(files, "config.json")) read_config(Field(*json, files.label("config.json")), config);
  if (const auto json = read_json(files, "tokenizer_config.json")) {
    config.model_max_length = read_max_length(Field(*json, files.label("tokenizer_config.json")));
  }
  return config;
}

ModelConfig read_model_config(const std::filesystem::path& folder) { return read_model_config(FolderFiles(folder)); }

}  // namespace sesame
