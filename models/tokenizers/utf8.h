// UTF-8, in and out.
#pragma once

#include <string>
#include <string_view>

#include "models/tokenizers/glyphs.h"

namespace sesame::tokenizers {

inline constexpr char32_t kReplacement = 0xFFFD;

// Reads one code point at text[at] and moves `at` behind it. Malformed input gives U+FFFD for each maximal part of a
// sequence (Unicode 15, section 3.9), so it consumes 1 to 3 bytes. Requires at < text.size().
char32_t decode_one(std::string_view text, std::size_t& at);

// Appends the UTF-8 form of a code point up to U+10FFFF, surrogates excluded.
void append_utf8(char32_t code, std::string& out);

// Fills `glyphs` with the text's code points, numbered from 0.
void decode(std::string_view text, Glyphs& glyphs);

// The text with malformed parts replaced.
std::string repair_utf8(std::string_view text);

// Replaces `out` by the UTF-8 form of the glyphs.
void encode(GlyphView glyphs, std::string& out);

}  // namespace sesame::tokenizers
