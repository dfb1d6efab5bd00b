// What tokenizer_config.json, special_tokens_map.json and added_tokens.json say beside a vocabulary.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/files.h"
#include "models/json.h"
#include "models/tokenizers/added_tokens.h"
#include "models/tokenizers/pipeline.h"
#include "models/tokenizers/tokenizer.h"
#include "models/tokenizers/vocab.h"

namespace sesame::tokenizers {

// The spelling of tokens with a role; empty where it isn't known.
struct SpecialNames {
  std::string pad, mask, cls, sep, unk;
};

struct Settings {
  std::string tokenizer_class;  // without "Fast"; empty if not given
  std::string model_type;       // config.json's
  std::optional<bool> do_lower_case, strip_accents, keep_accents, add_prefix_space, remove_space;
  bool tokenize_chinese_chars = true;
  SpecialNames names;             // what the files say, and nothing else
  std::vector<AddedToken> added;  // of added_tokens.json and added_tokens_decoder, by id
};

// Reads the files that there are. Throws Error.
Settings read_settings(const FileSet& files);

// `names` with its gaps filled from `defaults`.
SpecialNames with_defaults(SpecialNames names, const SpecialNames& defaults);

// The roles' ids: a name's token among the added ones or in the vocabulary.
SpecialIds find_special(const SpecialNames& names, const std::deque<AddedToken>& added, const Vocab& vocab);

// The id of a token that the tokenizer can't do without. Throws Error: "LABEL: expected a token "[UNK]", found none".
std::int32_t require_token(const std::string& name, const std::optional<std::int64_t>& id, const std::string& label);

// Adds a special token of the vocabulary to those that are found in text, unless it is among them. Does nothing for a
// name that is empty or that the vocabulary lacks.
void add_special(const std::string& name, bool lstrip, const Vocab& vocab, std::deque<AddedToken>& added);

// Reads one added token as tokenizer.json and added_tokens_decoder write it, without its id.
AddedToken read_added_token(const Field& field);

// The largest id that a file of `bytes` bytes may use: each token takes a byte at least, so ids far above are damage,
// and tables as long as the largest id stay in proportion to the file.
std::int64_t largest_id(std::size_t bytes);

}  // namespace sesame::tokenizers
