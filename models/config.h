// What config.json and tokenizer_config.json say of a model, beside its graph and its vocabulary.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "models/files.h"

namespace sesame {

// Everything is optional in the files; what is missing is empty.
struct ModelConfig {
  std::string model_type;                  // "bert", "distilbert", "roberta", ...
  std::vector<std::string> architectures;  // "BertForSequenceClassification", ...
  std::string problem_type;                // "regression", "single_label_classification", "multi_label_classification"
  std::vector<std::string> labels;         // by index; "LABEL_3" where id2label has a gap
  std::optional<std::int64_t> num_labels;  // what num_labels says, else the number of labels if there are any

  std::optional<std::int64_t> hidden, layers, heads, ffn, vocab;
  std::optional<std::int64_t> max_position_embeddings, type_vocab_size, pad_token_id;
  std::optional<std::int64_t> model_max_length;  // the tokenizer's; absent where the file means no limit

  // The most tokens of a text, special tokens included: the smaller of model_max_length and of the rows of the position
  // table that text may use. RoBERTa and its kin number positions from pad_token_id + 1. Nothing if neither is known.
  std::optional<std::int64_t> max_tokens() const;

  // The label of a class, "LABEL_7" where none is known. Requires index >= 0.
  std::string label(std::int64_t index) const;
};

// Reads the files that there are. Throws Error, one line, for values of the wrong type or out of bounds.
ModelConfig read_model_config(const FileSet& files);
ModelConfig read_model_config(const std::filesystem::path& folder);

}  // namespace sesame
