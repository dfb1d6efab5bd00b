// SentencePiece's character map: which short byte strings become which others, as a double-array trie in a blob.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizers/normalizer.h"

namespace sesame::tokenizers {

// The blob: the trie's size in bytes (uint32, little endian), the trie's units (uint32 each), then the replacements,
// each ended by a zero byte. Untrusted: a trie that leads out of its bounds matches nothing there.
class Charsmap {
 public:
  // Nothing when the sizes don't fit. An empty blob is a map without rules.
  static std::optional<Charsmap> parse(std::string_view blob);

  struct Match {
    std::size_t length = 0;  // bytes of the text; 0: no rule applies
    std::string_view replacement;
  };
  // The rule for the longest beginning of `text` (well-formed UTF-8) that has one and ends where a code point does.
  Match longest(std::string_view text) const;
  // The same for the shortest beginning, wherever it ends.
  Match shortest(std::string_view text) const;

 private:
  Match find(std::string_view text, bool longest) const;
  std::string_view replacement(std::uint32_t begin) const;

  std::vector<std::uint32_t> units_;
  std::string replacements_;
};

// The Precompiled normalizer of tokenizer.json: a grapheme cluster of less than 6 bytes is replaced whole by the rule
// for its shortest beginning, if there is one; otherwise each code point by its own rule.
class PrecompiledNormalizer final : public Normalizer {
 public:
  explicit PrecompiledNormalizer(Charsmap map) : map_(std::move(map)) {}
  void normalize(Glyphs& text, Glyphs& spare) const override;

 private:
  bool replace(GlyphView part, std::string& bytes, Glyphs& out) const;

  Charsmap map_;
};

// Appends the code points of UTF-8 `text`, each with the range of `from`, which is not empty.
void append_replacement(std::string_view text, GlyphView from, Glyphs& out);

// The bytes of standard base64 with or without padding, or nothing when it is none.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace sesame::tokenizers
