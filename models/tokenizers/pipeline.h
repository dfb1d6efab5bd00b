// The tokenizer that every file format becomes: added tokens, normalizer, pre-tokenizer, model, template.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "models/tokenizers/added_tokens.h"
#include "models/tokenizers/model.h"
#include "models/tokenizers/normalizer.h"
#include "models/tokenizers/pre_tokenizer.h"
#include "models/tokenizers/template.h"
#include "models/tokenizers/tokenizer.h"
#include "models/tokenizers/vocab.h"

namespace sesame::tokenizers {

// What a loader fills in. `normalizer` and `pre_tokenizer` may be null; `vocab` is frozen, and `model` refers to it.
struct PipelineParts {
  std::unique_ptr<const Vocab> vocab;
  std::deque<AddedToken> added;
  NormalizerPtr normalizer;
  PreTokenizerPtr pre_tokenizer;
  ModelPtr model;
  Template post = Template::plain();
  SpecialIds special;
  // Offsets of byte-level tokens without the white space at their ends.
  bool trim_offsets = false;
  bool prefix_space_added = false;
  // Whether a second text that is empty counts as none, so that its separators go as well.
  bool empty_pair_is_none = false;
};

class Pipeline final : public Tokenizer {
 public:
  explicit Pipeline(PipelineParts parts);

  void encode_into(std::string_view text, const std::string_view* pair, const EncodeOptions& options,
                   Encoding& encoding) const override;
  const SpecialIds& special_ids() const override { return parts_.special; }
  bool is_special(std::int64_t id) const override;
  std::int64_t vocab_size() const override { return vocab_size_; }
  std::string_view token(std::int64_t id) const override;
  std::optional<std::int64_t> id(std::string_view token) const override;

 private:
  void index_added_tokens();
  void tokenize(std::string_view text, std::vector<Token>& tokens) const;
  void tokenize_section(Words& words, Words& spare, std::vector<Token>& tokens) const;
  void tokenize_words(Words& words, Words& spare, std::vector<Token>& tokens) const;
  void trim(std::vector<Token>& tokens) const;

  PipelineParts parts_;
  AddedTokenMatcher raw_, normalized_;
  Vocab added_;                        // tokens of added ids
  std::vector<std::int32_t> special_;  // sorted
  std::int64_t vocab_size_ = 0;
};

}  // namespace sesame::tokenizers
