#include "models/tokenizers/byte_level.h"

#include <string>

#include "models/tokenizers/unicode.h"
#include "models/tokenizers/utf8.h"

namespace sesame::tokenizers {
namespace {

constexpr std::array<char16_t, 256> byte_chars() {
  std::array<char16_t, 256> chars{};
  char16_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool visible = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    chars[byte] = visible ? static_cast<char16_t>(byte) : next++;
  }
  return chars;
}

enum class Kind { kLetter, kNumber, kSpace, kOther };

Kind kind_of(char32_t code) {
  if (is_letter(code)) return Kind::kLetter;
  if (is_number(code)) return Kind::kNumber;
  return is_whitespace(code) ? Kind::kSpace : Kind::kOther;
}

// The length of a contraction ('s 't 're 've 'm 'll 'd) at text[at], or 0.
std::uint32_t contraction(GlyphView text, std::uint32_t at) {
  if (text[at].code != '\'' || at + 1 == text.size()) return 0;
  const char32_t first = text[at + 1].code;
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  if (at + 2 == text.size()) return 0;
  const char32_t second = text[at + 2].code;
  const bool three =
      (first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l');
  return three ? 3 : 0;
}

std::uint32_t run_end(GlyphView text, std::uint32_t at, Kind kind) {
  while (at < text.size() && kind_of(text[at].code) == kind) ++at;
  return at;
}

// The end of the word that begins at text[at].
std::uint32_t word_end(GlyphView text, std::uint32_t at) {
  if (const auto length = contraction(text, at); length != 0) return at + length;
  const bool led = text[at].code == ' ' && at + 1 < text.size();
  const Kind kind = kind_of(text[led ? at + 1 : at].code);
  if (kind != Kind::kSpace) return run_end(text, led ? at + 1 : at, kind);
  // White space leaves its last character to the word that follows, unless it is all there is.
  const std::uint32_t end = run_end(text, at, Kind::kSpace);
  return end == text.size() || end == at + 1 ? end : end - 1;
}

}  // namespace

const std::array<char16_t, 256> kByteToChar = byte_chars();

void split_byte_level(GlyphView text, std::vector<Range>& words) {
  for (std::uint32_t at = 0; at < text.size();) {
    const std::uint32_t end = word_end(text, at);
    words.push_back({at, end});
    at = end;
  }
}

void append_bytes(const Glyph& glyph, Glyphs& out) {
  if (glyph.code < 0x80) {
    out.push_back({kByteToChar[glyph.code], glyph.begin, glyph.end});
    return;
  }
  std::string bytes;
  append_utf8(glyph.code, bytes);
  for (const char byte : bytes) out.push_back({kByteToChar[static_cast<unsigned char>(byte)], glyph.begin, glyph.end});
}

}  // namespace sesame::tokenizers
