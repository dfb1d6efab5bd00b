// Tokens that a masked language model is asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "models/tokenizers/tokenizer.h"

namespace sesame::models {

struct MaskedRow {
  struct Asked {
    std::size_t position = 0;
    std::int64_t expected = 0;  // the token's id
  };
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> type_ids;
  std::vector<Asked> asked;  // at least one
};

// Masks every `every`-th token of the texts, from token `first` < every on, counted through all of them without the
// special ones; each in a row of its own, so that nothing else is hidden. Texts are cut to max_length tokens. Throws
// Error for a tokenizer without a mask.
std::vector<MaskedRow> mask_tokens(const Tokenizer& tokenizer, std::span<const std::string> texts,
                                   std::size_t max_length, std::size_t every, std::size_t first = 0);

// Rows that are tokenized and masked already, a JSON object a line, as Hugging Face's datasets write them:
//   {"input_ids": [..], "labels": [.., -100 where nothing is asked], "token_type_ids": [..], "attention_mask": [..]}
// Positions that the mask drops at the end are cut off; the last two lists may be absent. Throws Error that names the
// file and line.
std::vector<MaskedRow> read_masked_rows(const std::filesystem::path& file);

}  // namespace sesame::models
