// What SentencePiece does to text before it cuts it, and what ALBERT does before that.
#pragma once

#include "models/tokenizers/charsmap.h"
#include "models/tokenizers/normalizer.h"
#include "models/tokenizers/vocab.h"

namespace sesame::tokenizers {

inline constexpr char32_t kSpaceMark = 0x2581;  // stands for a space in pieces

struct SentencePieceOptions {
  bool add_dummy_prefix = true;     // a space before a text that has any ink
  bool remove_extra_spaces = true;  // none at the ends, one between words
};

// Rules of the character map, longest first, from left to right; spaces become kSpaceMark. The strings of
// `user_defined` are left as they are.
class SentencePieceNormalizer final : public Normalizer {
 public:
  SentencePieceNormalizer(Charsmap map, Vocab user_defined, const SentencePieceOptions& options)
      : map_(std::move(map)), user_defined_(std::move(user_defined)), options_(options) {}
  void normalize(Glyphs& text, Glyphs& spare) const override;

 private:
  // Replaces `chunk` by what the beginning of `bytes`, the UTF-8 form of `text`, becomes; returns its glyphs' number.
  std::size_t next_chunk(GlyphView text, std::string_view bytes, Glyphs& chunk) const;

  Charsmap map_;
  Vocab user_defined_;
  SentencePieceOptions options_;
};

// Words joined by one space each, ``...'' quotes as ".
class AlbertCleaner final : public Normalizer {
 public:
  explicit AlbertCleaner(bool remove_space) : remove_space_(remove_space) {}
  void normalize(Glyphs& text, Glyphs& spare) const override;

 private:
  bool remove_space_;
};

// Drops what has a combining class other than 0; decompose first.
class StripCombining final : public Normalizer {
 public:
  void normalize(Glyphs& text, Glyphs& spare) const override;
};

}  // namespace sesame::tokenizers
