// Byte-level BPE's view of text (GPT-2, RoBERTa): words by one regular expression, bytes as visible characters.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "models/tokenizers/glyphs.h"

namespace sesame::tokenizers {

inline constexpr std::string_view kByteLevelExpression =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

// Appends the matches of the expression above; together they cover the text.
void split_byte_level(GlyphView text, std::vector<Range>& words);

// The character that stands for each byte: itself where it is visible in Latin-1, U+0100 and up otherwise.
extern const std::array<char16_t, 256> kByteToChar;

// Appends a glyph for each byte of the UTF-8 form of `glyph`; each has its range.
void append_bytes(const Glyph& glyph, Glyphs& out);

// What a space becomes, and so what a token that begins a word starts with: U+0120.
inline constexpr std::string_view kByteLevelSpace = "\xC4\xA0";

}  // namespace sesame::tokenizers
