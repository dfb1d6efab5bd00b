// Byte pair encoding: a word begins as characters, and the pair of neighbours with the best rule is merged, until no
// rule applies.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "models/tokenizers/model.h"
#include "models/tokenizers/vocab.h"

namespace sesame::tokenizers {

struct BpeOptions {
  std::optional<std::int32_t> unk_id;  // for characters without a token, which are dropped without it
  bool fuse_unk = false;               // one unk_id for a run of them
  std::string continuing_prefix;       // of characters that don't begin a word
  std::string word_suffix;             // of the character that ends a word
  bool ignore_merges = false;          // a word that is a token is that token
};

// The rules, best first: which two tokens become which.
class MergeTable {
 public:
  struct Merge {
    std::uint32_t rank;
    std::int32_t result;
  };
  // The rule that is added first is the best. A pair that comes again keeps its first rank.
  void add(std::int32_t left, std::int32_t right, std::int32_t result);
  void freeze();
  const Merge* find(std::int32_t left, std::int32_t right) const;

 private:
  struct Rule {
    std::uint64_t key;
    Merge merge;
  };
  static std::uint64_t key_of(std::int32_t left, std::int32_t right) {
    return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
  }

  std::vector<Rule> rules_;
  std::vector<std::uint32_t> slots_;  // open addressing: 1 + index into rules_, 0 when empty
};

// Takes time of n log n in a word's length. `vocab` must outlive the model.
class Bpe final : public Model {
 public:
  Bpe(const Vocab& vocab, MergeTable merges, BpeOptions options);
  void tokenize(const Words& words, std::vector<Token>& tokens) const override;

 private:
  struct Symbol {
    std::int32_t id;  // kDead once merged into the one before
    std::uint32_t begin, end;
    std::uint32_t previous, next;
  };
  struct Candidate {
    std::uint32_t rank;
    std::uint32_t left;  // index of the left symbol
    std::int32_t left_id, right_id, result;
  };
  struct Work {
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
    std::string bytes;
  };

  std::int32_t character(char32_t code, bool first, bool last, std::string& bytes) const;
  void split_characters(GlyphView word, Work& work) const;
  void consider(Work& work, std::uint32_t left) const;
  void merge_all(Work& work) const;

  const Vocab& vocab_;
  MergeTable merges_;
  BpeOptions options_;
  std::array<std::int32_t, 512> small_;  // the tokens of U+0000 to U+01FF, where no prefix or suffix is asked for
};

}  // namespace sesame::tokenizers
