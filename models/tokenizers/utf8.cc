#include "models/tokenizers/utf8.h"

namespace sesame::tokenizers {
namespace {

// What may follow a lead byte: how many bytes in all, and the bounds of the second (the rest are 80..BF).
struct Lead {
  int length;
  unsigned char low, high;
};

Lead lead_of(unsigned char byte) {
  if (byte >= 0xC2 && byte <= 0xDF) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};  // no surrogates
  if (byte >= 0xE1 && byte <= 0xEF) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte >= 0xF1 && byte <= 0xF3) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

char32_t decode_one(std::string_view text, std::size_t& at) {
  const auto first = static_cast<unsigned char>(text[at++]);
  if (first < 0x80) return first;
  Lead lead = lead_of(first);
  if (lead.length == 0) return kReplacement;
  char32_t code = first & (0xFFu >> (lead.length + 1));
  for (int i = 1; i < lead.length; ++i) {
    if (at == text.size()) return kReplacement;
    const auto next = static_cast<unsigned char>(text[at]);
    if (next < lead.low || next > lead.high) return kReplacement;
    code = code << 6 | (next & 0x3Fu);
    lead.low = 0x80;
    lead.high = 0xBF;
    ++at;
  }
  return code;
}

void append_utf8(char32_t code, std::string& out) {
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    const char bytes[] = {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
    out.append(bytes, 2);
  } else if (code < 0x10000) {
    const char bytes[] = {static_cast<char>(0xE0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3F)),
                          static_cast<char>(0x80 | (code & 0x3F))};
    out.append(bytes, 3);
  } else {
    const char bytes[] = {static_cast<char>(0xF0 | code >> 18), static_cast<char>(0x80 | (code >> 12 & 0x3F)),
                          static_cast<char>(0x80 | (code >> 6 & 0x3F)), static_cast<char>(0x80 | (code & 0x3F))};
    out.append(bytes, 4);
  }
}

void decode(std::string_view text, Glyphs& glyphs) {
  glyphs.clear();
  glyphs.reserve(text.size());
  std::uint32_t place = 0;
  for (std::size_t at = 0; at < text.size(); ++place) {
    const char32_t code = decode_one(text, at);
    glyphs.push_back({code, place, place + 1});
  }
}

std::string repair_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) append_utf8(decode_one(text, at), out);
  return out;
}

void encode(GlyphView glyphs, std::string& out) {
  out.clear();
  for (const Glyph& glyph : glyphs) append_utf8(glyph.code, out);
}

}  // namespace sesame::tokenizers
