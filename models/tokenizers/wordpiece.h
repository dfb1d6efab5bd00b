// BERT's model: the longest known beginning of a word, then the longest known continuation, and so on.
#pragma once

#include <string>

#include "models/tokenizers/model.h"
#include "models/tokenizers/vocab.h"

namespace sesame::tokenizers {

struct WordPieceOptions {
  std::int32_t unk_id = 0;
  std::string continuing_prefix = "##";
  std::uint32_t max_chars_per_word = 100;
};

// A word with a part that nothing in the vocabulary begins, or of more than max_chars_per_word code points, is one
// unk_id. `vocab` must outlive the model.
class WordPiece final : public Model {
 public:
  WordPiece(const Vocab& vocab, WordPieceOptions options) : vocab_(vocab), options_(std::move(options)) {}
  void tokenize(const Words& words, std::vector<Token>& tokens) const override;

 private:
  void tokenize_word(GlyphView word, std::string_view bytes, std::vector<Token>& tokens) const;

  const Vocab& vocab_;
  WordPieceOptions options_;
};

}  // namespace sesame::tokenizers
