// What Replace and Split look for: a literal string, or one of the few regular expressions that tokenizers use.
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizers/glyphs.h"

namespace sesame::tokenizers {

class Pattern {
 public:
  // Matches `text` itself. Requires that it is not empty.
  static Pattern literal(std::u32string text);
  // Matches what the regular expression matches, if it is one that is known: a class of characters (a single
  // character, \s, \d, \w, \p{L}, \p{N}, \p{P} or their complements) alone or with +, {n,}, {n}; Whitespace's
  // \w+|[^\w\s]+; byte-level BPE's expression. Otherwise nothing.
  static std::optional<Pattern> regex(std::string_view expression);

  // The matches in `text` from left to right; they don't overlap and none is empty.
  void find_all(GlyphView text, std::vector<Range>& matches) const;

 private:
  enum class Kind { kLiteral, kRun, kWordOrMarks, kByteLevel };
  using Test = bool (*)(char32_t);

  void find_literal(GlyphView text, std::vector<Range>& matches) const;
  void find_runs(GlyphView text, std::vector<Range>& matches) const;

  Kind kind_ = Kind::kLiteral;
  std::u32string literal_;
  // kRun: glyphs that pass test_ (or equal literal_[0]), negated or not, at least min_ and at most max_ of them
  Test test_ = nullptr;
  bool negated_ = false;
  std::uint32_t min_ = 1;
  std::uint32_t max_ = std::numeric_limits<std::uint32_t>::max();
};

}  // namespace sesame::tokenizers
