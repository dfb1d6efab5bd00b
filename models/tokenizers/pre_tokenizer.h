// The second stage of a tokenizer: a normalized text is split into words, which the model then cuts into tokens.
#pragma once

#include <memory>
#include <vector>

#include "models/tokenizers/glyphs.h"
#include "models/tokenizers/pattern.h"

namespace sesame::tokenizers {

// Const and safe to share.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Splits each of `words` further, and may change the text within it. `spare` is scratch.
  virtual void split(Words& words, Words& spare) const = 0;
};
using PreTokenizerPtr = std::unique_ptr<const PreTokenizer>;

class PreTokenizerSequence final : public PreTokenizer {
 public:
  explicit PreTokenizerSequence(std::vector<PreTokenizerPtr> stages) : stages_(std::move(stages)) {}
  void split(Words& words, Words& spare) const override;

 private:
  std::vector<PreTokenizerPtr> stages_;
};

// Words end at white space, which is dropped; each punctuation character is a word.
class BertPreTokenizer final : public PreTokenizer {
 public:
  void split(Words& words, Words& spare) const override;
};

// What becomes of the matches of a pattern: words of their own, nothing, one word with the matches beside them, or
// parts of the word before or behind.
enum class SplitBehavior { kIsolated, kRemoved, kContiguous, kMergedWithPrevious, kMergedWithNext };

// Splits at the matches of a pattern; inverted, what lies between the matches counts as the matches.
class Split final : public PreTokenizer {
 public:
  Split(Pattern pattern, SplitBehavior behavior, bool inverted)
      : pattern_(std::move(pattern)), behavior_(behavior), inverted_(inverted) {}
  void split(Words& words, Words& spare) const override;

 private:
  Pattern pattern_;
  SplitBehavior behavior_;
  bool inverted_;
};

// Splits at glyphs of a kind, each a match of its own.
class SplitAt final : public PreTokenizer {
 public:
  using Test = bool (*)(char32_t);
  SplitAt(Test test, SplitBehavior behavior) : test_(test), behavior_(behavior) {}
  void split(Words& words, Words& spare) const override;

 private:
  Test test_;
  SplitBehavior behavior_;
};

// Byte-level BPE: words as its regular expression has them, then bytes as visible characters.
class ByteLevel final : public PreTokenizer {
 public:
  ByteLevel(bool add_prefix_space, bool use_expression)
      : add_prefix_space_(add_prefix_space), use_expression_(use_expression) {}
  void split(Words& words, Words& spare) const override;

 private:
  bool add_prefix_space_, use_expression_;
};

// SentencePiece's view of words: spaces become a mark that begins the next word.
class Metaspace final : public PreTokenizer {
 public:
  enum class Scheme { kAlways, kFirst, kNever };  // which words without the mark in front get one
  Metaspace(char32_t mark, Scheme scheme, bool split) : mark_(mark), scheme_(scheme), split_(split) {}
  void split(Words& words, Words& spare) const override;

 private:
  char32_t mark_;
  Scheme scheme_;
  bool split_;
};

}  // namespace sesame::tokenizers
