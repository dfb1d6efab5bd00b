#include "models/tokenizers/wordpiece.h"

#include <algorithm>

#include "models/tokenizers/utf8.h"

namespace sesame::tokenizers {
namespace {

std::uint32_t count_code_points(std::string_view bytes) {
  return static_cast<std::uint32_t>(
      std::count_if(bytes.begin(), bytes.end(), [](char b) { return (b & 0xC0) != 0x80; }));
}

}  // namespace

void WordPiece::tokenize(const Words& words, std::vector<Token>& tokens) const {
  std::string bytes;
  for (const Range range : words.ranges) {
    const GlyphView word = GlyphView(words.glyphs).subspan(range.begin, range.end - range.begin);
    if (word.size() > options_.max_chars_per_word) {
      tokens.push_back({options_.unk_id, word.front().begin, word.back().end});
      continue;
    }
    encode(word, bytes);
    tokenize_word(word, bytes, tokens);
  }
}

void WordPiece::tokenize_word(GlyphView word, std::string_view bytes, std::vector<Token>& tokens) const {
  const std::size_t before = tokens.size();
  std::uint32_t at = 0;
  std::size_t length = 0;
  for (std::string_view rest = bytes; !rest.empty(); rest.remove_prefix(length)) {
    const std::string_view prefix = at == 0 ? std::string_view() : options_.continuing_prefix;
    const std::int32_t id = vocab_.find_longest(prefix, rest, length);
    if (id == Vocab::kNone) {
      tokens.resize(before);
      tokens.push_back({options_.unk_id, word.front().begin, word.back().end});
      return;
    }
    const std::uint32_t next = at + count_code_points(rest.substr(0, length));
    tokens.push_back({id, word[at].begin, word[next - 1].end});
    at = next;
  }
}

}  // namespace sesame::tokenizers
