#include "models/tokenizers/pre_tokenizer.h"

#include "models/tokenizers/byte_level.h"
#include "models/tokenizers/unicode.h"

namespace sesame::tokenizers {
namespace {

GlyphView view(const Words& words, Range range) {
  return GlyphView(words.glyphs).subspan(range.begin, range.end - range.begin);
}

// A part of a word, numbered within it.
struct Part {
  Range range;
  bool match;
};

// The parts of a word of `size` glyphs: the matches and what lies between them.
std::vector<Part> parts_of(const std::vector<Range>& matches, std::uint32_t size, bool inverted) {
  std::vector<Part> parts;
  std::uint32_t at = 0;
  for (const Range match : matches) {
    if (at < match.begin) parts.push_back({{at, match.begin}, inverted});
    parts.push_back({match, !inverted});
    at = match.end;
  }
  if (at < size) parts.push_back({{at, size}, inverted});
  return parts;
}

// Whether the part after `before` goes on with it.
bool joins(const Part& before, const Part& after, SplitBehavior behavior) {
  switch (behavior) {
    case SplitBehavior::kContiguous:
      return before.match == after.match;
    case SplitBehavior::kMergedWithPrevious:
      return after.match && !before.match;
    case SplitBehavior::kMergedWithNext:
      return before.match && !after.match;
    case SplitBehavior::kIsolated:
    case SplitBehavior::kRemoved:
      return false;
  }
  return false;
}

// Appends the words that `parts` make, `shift` glyphs further on.
void append_words(const std::vector<Part>& parts, SplitBehavior behavior, std::uint32_t shift,
                  std::vector<Range>& words) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (behavior == SplitBehavior::kRemoved && parts[i].match) continue;
    const Range range{parts[i].range.begin + shift, parts[i].range.end + shift};
    if (i > 0 && joins(parts[i - 1], parts[i], behavior)) {
      words.back().end = range.end;
    } else {
      words.push_back(range);
    }
  }
}

// Splits each word at the matches that find(view, matches) gives.
template <typename Find>
void split_each(Words& words, Words& spare, SplitBehavior behavior, bool inverted, Find find) {
  std::vector<Range> matches;
  spare.ranges.clear();
  for (const Range word : words.ranges) {
    matches.clear();
    find(view(words, word), matches);
    append_words(parts_of(matches, word.end - word.begin, inverted), behavior, word.begin, spare.ranges);
  }
  words.ranges.swap(spare.ranges);
}

}  // namespace

void PreTokenizerSequence::split(Words& words, Words& spare) const {
  for (const PreTokenizerPtr& stage : stages_) stage->split(words, spare);
}

void BertPreTokenizer::split(Words& words, Words& spare) const {
  spare.ranges.clear();
  for (const Range word : words.ranges) {
    std::uint32_t begin = word.begin;
    const auto close = [&](std::uint32_t end) {
      if (begin < end) spare.ranges.push_back({begin, end});
      begin = end + 1;
    };
    for (std::uint32_t at = word.begin; at < word.end; ++at) {
      const char32_t code = words.glyphs[at].code;
      if (is_whitespace(code)) {
        close(at);
      } else if (is_punctuation(code)) {
        close(at);
        spare.ranges.push_back({at, at + 1});
      }
    }
    close(word.end);
  }
  words.ranges.swap(spare.ranges);
}

void Split::split(Words& words, Words& spare) const {
  split_each(words, spare, behavior_, inverted_,
             [&](GlyphView text, std::vector<Range>& matches) { pattern_.find_all(text, matches); });
}

void SplitAt::split(Words& words, Words& spare) const {
  split_each(words, spare, behavior_, false, [&](GlyphView text, std::vector<Range>& matches) {
    for (std::uint32_t at = 0; at < text.size(); ++at) {
      if (test_(text[at].code)) matches.push_back({at, at + 1});
    }
  });
}

void ByteLevel::split(Words& words, Words& spare) const {
  spare.ranges.clear();
  spare.glyphs.clear();
  Glyphs text;
  std::vector<Range> inner;
  for (const Range word : words.ranges) {
    const GlyphView whole = view(words, word);
    text.assign(whole.begin(), whole.end());
    if (add_prefix_space_ && text.front().code != ' ') text.insert(text.begin(), {U' ', text[0].begin, text[0].begin});
    inner.clear();
    if (use_expression_) {
      split_byte_level(text, inner);
    } else {
      inner.push_back({0, static_cast<std::uint32_t>(text.size())});
    }
    for (const Range range : inner) {
      const auto begin = static_cast<std::uint32_t>(spare.glyphs.size());
      for (std::uint32_t at = range.begin; at < range.end; ++at) append_bytes(text[at], spare.glyphs);
      spare.ranges.push_back({begin, static_cast<std::uint32_t>(spare.glyphs.size())});
    }
  }
  words.ranges.swap(spare.ranges);
  words.glyphs.swap(spare.glyphs);
}

void Metaspace::split(Words& words, Words& spare) const {
  spare.ranges.clear();
  spare.glyphs.clear();
  for (const Range word : words.ranges) {
    const GlyphView whole = view(words, word);
    auto begin = static_cast<std::uint32_t>(spare.glyphs.size());
    const std::uint32_t place = whole.front().begin;
    const bool marked = whole.front().code == ' ' || whole.front().code == mark_;
    const bool wanted = scheme_ == Scheme::kAlways || (scheme_ == Scheme::kFirst && place == 0);
    if (wanted && !marked) spare.glyphs.push_back({mark_, place, place});
    for (const Glyph& glyph : whole) {
      const char32_t code = glyph.code == ' ' ? mark_ : glyph.code;
      const auto at = static_cast<std::uint32_t>(spare.glyphs.size());
      if (split_ && code == mark_ && at > begin) {
        spare.ranges.push_back({begin, at});
        begin = at;
      }
      spare.glyphs.push_back({code, glyph.begin, glyph.end});
    }
    spare.ranges.push_back({begin, static_cast<std::uint32_t>(spare.glyphs.size())});
  }
  words.ranges.swap(spare.ranges);
  words.glyphs.swap(spare.glyphs);
}

}  // namespace sesame::tokenizers
