#include "models/tokenizers/sentencepiece_normalizer.h"

#include <algorithm>

#include "models/tokenizers/utf8.h"

namespace sesame::tokenizers {
namespace {

std::size_t utf8_size(char32_t code) { return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4; }

// How many of the glyphs the first `bytes` bytes of their UTF-8 form are; the bytes end where a glyph does.
std::size_t glyph_count(GlyphView text, std::size_t bytes) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < bytes; ++count) at += utf8_size(text[count].code);
  return count;
}

bool is_python_space(char32_t code) { return is_whitespace(code) || (code >= 0x1C && code <= 0x1F); }

}  // namespace

std::size_t SentencePieceNormalizer::next_chunk(GlyphView text, std::string_view bytes, Glyphs& chunk) const {
  chunk.clear();
  std::size_t length = 0;
  if (user_defined_.size() > 0 && user_defined_.find_longest({}, bytes, length) != Vocab::kNone) {
    const std::size_t count = glyph_count(text, length);
    chunk.assign(text.begin(), text.begin() + count);
    return count;
  }
  const auto match = map_.longest(bytes);
  if (match.length == 0) {
    chunk.push_back(text.front());
    return 1;
  }
  const std::size_t count = glyph_count(text, match.length);
  append_replacement(match.replacement, text.first(count), chunk);
  return count;
}

void SentencePieceNormalizer::normalize(Glyphs& text, Glyphs& spare) const {
  std::string bytes;
  encode(text, bytes);
  spare.clear();
  Glyphs chunk;
  bool after_space = options_.remove_extra_spaces;
  bool begun = false;
  std::size_t byte = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t count = next_chunk(GlyphView(text).subspan(at), std::string_view(bytes).substr(byte), chunk);
    for (std::size_t i = at; i < at + count; ++i) byte += utf8_size(text[i].code);
    at += count;
    // Leading spaces are told by whole chunks: a longer chunk that begins with one counts as ink.
    if (!begun && options_.remove_extra_spaces && chunk.size() == 1 && chunk[0].code == ' ') continue;
    const std::uint32_t place = text[at - count].begin;
    if (!begun && options_.add_dummy_prefix) spare.push_back({kSpaceMark, place, place});
    begun = true;
    auto first = chunk.begin();
    while (after_space && first != chunk.end() && first->code == ' ') ++first;
    if (first != chunk.end()) after_space = chunk.back().code == ' ';
    if (!options_.remove_extra_spaces) after_space = false;
    for (; first != chunk.end(); ++first) {
      spare.push_back({first->code == ' ' ? kSpaceMark : first->code, first->begin, first->end});
    }
  }
  while (options_.remove_extra_spaces && !spare.empty() && spare.back().code == kSpaceMark) spare.pop_back();
  text.swap(spare);
}

void AlbertCleaner::normalize(Glyphs& text, Glyphs& spare) const {
  spare.clear();
  const auto is_mark = [](char32_t code) { return code == '`' || code == '\''; };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const Glyph& glyph = text[i];
    if (remove_space_ && is_python_space(glyph.code)) {
      if (!spare.empty() && spare.back().code != ' ') spare.push_back({U' ', glyph.begin, glyph.end});
    } else if (is_mark(glyph.code) && i + 1 < text.size() && text[i + 1].code == glyph.code) {
      spare.push_back({U'"', glyph.begin, text[++i].end});
    } else {
      spare.push_back(glyph);
    }
  }
  if (remove_space_ && !spare.empty() && spare.back().code == ' ') spare.pop_back();
  text.swap(spare);
}

void StripCombining::normalize(Glyphs& text, Glyphs&) const {
  std::erase_if(text, [](const Glyph& glyph) { return combining_class(glyph.code) != 0; });
}

}  // namespace sesame::tokenizers
