// What a code point is, and its other forms, in the terms that tokenizers use. Unicode data is utf8proc's.
#pragma once

#include <cstdint>
#include <string>

#include "models/tokenizers/glyphs.h"

namespace sesame::tokenizers {

bool is_whitespace(char32_t code);       // the property White_Space
bool is_letter(char32_t code);           // L
bool is_number(char32_t code);           // N
bool is_word(char32_t code);             // what \w matches: letters, marks, decimal digits, connectors, joiners
bool is_nonspacing_mark(char32_t code);  // Mn
bool is_unassigned(char32_t code);       // Cn
bool is_decimal_digit(char32_t code);    // Nd
bool is_control(char32_t code);          // Cc, Cf or Co, but not tab, line feed and carriage return
bool is_punctuation(char32_t code);      // P, or an ASCII character between the letters and digits ($ + < = > ^ ` | ~)
bool is_cjk(char32_t code);              // a CJK ideograph as BERT's blocks count it: no kana, no hangul
std::uint8_t combining_class(char32_t code);

// The full lower case of one code point regardless of its neighbours; appends one or two glyphs with its range.
void append_lower(const Glyph& glyph, Glyphs& out);

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

// Appends the decomposition of one code point (hangul too), each part with its range. Marks are not reordered.
void append_decomposed(const Glyph& glyph, bool compatibility, Glyphs& out);

// Brings `text` into a normal form; a composed glyph covers the range of its parts. `spare` is scratch.
void normalize(NormalForm form, Glyphs& text, Glyphs& spare);

// The ends of the extended grapheme clusters of `text`, as indices one behind the last glyph, in order.
void grapheme_ends(GlyphView text, std::vector<std::uint32_t>& ends);

}  // namespace sesame::tokenizers
