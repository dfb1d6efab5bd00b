#include "models/tokenizers/charsmap.h"

#include <array>
#include <cstring>

#include "models/tokenizers/utf8.h"

namespace sesame::tokenizers {
namespace {

// A unit of the double array: bits 0-7 label, 8 "a leaf follows", 9 "the offset is scaled", 10-30 offset, 31 "is a
// leaf".
bool has_leaf(std::uint32_t unit) { return (unit >> 8 & 1) != 0; }
std::uint32_t label(std::uint32_t unit) { return unit & (1u << 31 | 0xFF); }
std::uint32_t leaf_value(std::uint32_t unit) { return unit & ~(1u << 31); }
std::uint32_t offset(std::uint32_t unit) { return unit >> 10 << (unit >> 6 & 8); }

std::uint32_t load32(const char* bytes) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value |= std::uint32_t{static_cast<unsigned char>(bytes[i])} << 8 * i;
  return value;
}

bool ends_code_point(std::string_view text, std::size_t length) {
  return length == text.size() || (text[length] & 0xC0) != 0x80;
}

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

}  // namespace

std::optional<Charsmap> Charsmap::parse(std::string_view blob) {
  Charsmap map;
  if (blob.empty()) return map;
  if (blob.size() < 4) return std::nullopt;
  const std::uint32_t trie_bytes = load32(blob.data());
  if (trie_bytes == 0 || trie_bytes % 4 != 0 || trie_bytes > blob.size() - 4) return std::nullopt;
  map.units_.reserve(trie_bytes / 4);
  for (std::uint32_t at = 0; at < trie_bytes; at += 4) map.units_.push_back(load32(blob.data() + 4 + at));
  map.replacements_ = blob.substr(4 + trie_bytes);
  return map;
}

std::string_view Charsmap::replacement(std::uint32_t begin) const {
  if (begin >= replacements_.size()) return {};
  const std::string_view rest = std::string_view(replacements_).substr(begin);
  return rest.substr(0, rest.find('\0'));
}

Charsmap::Match Charsmap::find(std::string_view text, bool longest) const {
  Match best;
  if (units_.empty()) return best;
  std::uint32_t node = offset(units_[0]);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    node ^= byte;
    if (node >= units_.size() || label(units_[node]) != byte) break;
    const std::uint32_t unit = units_[node];
    node ^= offset(unit);
    if (!has_leaf(unit) || node >= units_.size()) continue;
    if (longest && !ends_code_point(text, i + 1)) continue;
    best = {i + 1, replacement(leaf_value(units_[node]))};
    if (!longest) break;
  }
  return best;
}

Charsmap::Match Charsmap::longest(std::string_view text) const { return find(text, true); }

Charsmap::Match Charsmap::shortest(std::string_view text) const { return find(text, false); }

bool PrecompiledNormalizer::replace(GlyphView part, std::string& bytes, Glyphs& out) const {
  encode(part, bytes);
  const auto match = map_.shortest(bytes);
  if (match.length == 0) return false;
  append_replacement(match.replacement, part, out);
  return true;
}

void PrecompiledNormalizer::normalize(Glyphs& text, Glyphs& spare) const {
  constexpr std::size_t kLongestCluster = 5;  // bytes
  std::vector<std::uint32_t> ends;
  grapheme_ends(text, ends);
  std::string bytes;
  spare.clear();
  std::uint32_t begin = 0;
  for (const std::uint32_t end : ends) {
    const GlyphView cluster = GlyphView(text).subspan(begin, end - begin);
    begin = end;
    if (cluster.size() <= kLongestCluster) {
      encode(cluster, bytes);
      if (bytes.size() <= kLongestCluster && replace(cluster, bytes, spare)) continue;
    }
    for (const Glyph& glyph : cluster) {
      if (!replace(GlyphView(&glyph, 1), bytes, spare)) spare.push_back(glyph);
    }
  }
  text.swap(spare);
}

void append_replacement(std::string_view text, GlyphView from, Glyphs& out) {
  for (std::size_t at = 0; at < text.size();) {
    const char32_t code = decode_one(text, at);
    out.push_back({code, from.front().begin, from.back().end});
  }
}

std::optional<std::string> decode_base64(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 3);
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int digit = base64_digit(c);
    if (digit < 0) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<char>(bits >> count));
  }
  return bytes;
}

}  // namespace sesame::tokenizers
