#include "models/tokenizers/pattern.h"

#include <algorithm>
#include <charconv>

#include "models/tokenizers/byte_level.h"
#include "models/tokenizers/unicode.h"
#include "models/tokenizers/utf8.h"

namespace sesame::tokenizers {
namespace {

struct NamedClass {
  std::string_view name;
  bool (*test)(char32_t);
  bool negated;
};

bool is_general_punctuation(char32_t code) {
  // P without the ASCII symbols that BERT counts in.
  return is_punctuation(code) &&
         !(code < 0x80 && std::string_view("$+<=>^`|~").find(static_cast<char>(code)) != std::string_view::npos);
}

constexpr NamedClass kClasses[] = {
    {"\\s", is_whitespace, false},
    {"\\S", is_whitespace, true},
    {"\\d", is_decimal_digit, false},
    {"\\D", is_decimal_digit, true},
    {"\\w", is_word, false},
    {"\\W", is_word, true},
    {"\\p{L}", is_letter, false},
    {"\\P{L}", is_letter, true},
    {"\\p{N}", is_number, false},
    {"\\P{N}", is_number, true},
    {"\\p{P}", is_general_punctuation, false},
};

constexpr std::string_view kMeta = "\\.[]{}()*+?^$|";

// Reads {n} or {n,} to the end of `text`.
bool read_bounds(std::string_view text, std::uint32_t& min, std::uint32_t& max) {
  if (text.size() < 3 || text.front() != '{' || text.back() != '}') return false;
  const char* end = text.data() + text.size() - 1;
  const auto [next, error] = std::from_chars(text.data() + 1, end, min);
  if (error != std::errc() || min == 0) return false;
  if (next == end) max = min;
  return next == end || (*next == ',' && next + 1 == end);
}

void append_runs(GlyphView text, auto&& kind_of, std::vector<Range>& matches) {
  for (std::uint32_t at = 0; at < text.size();) {
    const int kind = kind_of(text[at].code);
    std::uint32_t end = at + 1;
    while (end < text.size() && kind_of(text[end].code) == kind) ++end;
    if (kind != 0) matches.push_back({at, end});
    at = end;
  }
}

}  // namespace

Pattern Pattern::literal(std::u32string text) {
  Pattern pattern;
  pattern.literal_ = std::move(text);
  return pattern;
}

std::optional<Pattern> Pattern::regex(std::string_view expression) {
  Pattern pattern;
  pattern.kind_ = Kind::kRun;
  if (expression == "\\w+|[^\\w\\s]+") {
    pattern.kind_ = Kind::kWordOrMarks;
    return pattern;
  }
  if (expression == kByteLevelExpression) {
    pattern.kind_ = Kind::kByteLevel;
    return pattern;
  }
  if (expression.empty()) return std::nullopt;
  std::size_t at = 0;
  for (const NamedClass& named : kClasses) {
    if (!expression.starts_with(named.name)) continue;
    pattern.test_ = named.test;
    pattern.negated_ = named.negated;
    at = named.name.size();
  }
  if (at == 0) {
    if (kMeta.find(expression.front()) != std::string_view::npos) return std::nullopt;
    pattern.literal_.push_back(decode_one(expression, at));
  }
  const std::string_view rest = expression.substr(at);
  if (rest.empty()) pattern.max_ = 1;
  if (rest.empty() || rest == "+" || read_bounds(rest, pattern.min_, pattern.max_)) return pattern;
  return std::nullopt;
}

void Pattern::find_all(GlyphView text, std::vector<Range>& matches) const {
  matches.clear();
  switch (kind_) {
    case Kind::kLiteral:
      return find_literal(text, matches);
    case Kind::kRun:
      return find_runs(text, matches);
    case Kind::kWordOrMarks:
      return append_runs(
          text, [](char32_t code) { return is_word(code)         ? 1
                                           : is_whitespace(code) ? 0
                                                                 : 2; }, matches);
    case Kind::kByteLevel:
      return split_byte_level(text, matches);
  }
}

void Pattern::find_literal(GlyphView text, std::vector<Range>& matches) const {
  const auto size = static_cast<std::uint32_t>(literal_.size());
  const auto same = [](const Glyph& glyph, char32_t code) { return glyph.code == code; };
  for (std::uint32_t at = 0; at + size <= text.size();) {
    if (std::equal(text.begin() + at, text.begin() + at + size, literal_.begin(), same)) {
      matches.push_back({at, at + size});
      at += size;
    } else {
      ++at;
    }
  }
}

void Pattern::find_runs(GlyphView text, std::vector<Range>& matches) const {
  const auto passes = [&](char32_t code) {
    return (test_ != nullptr ? test_(code) : code == literal_.front()) != negated_;
  };
  for (std::uint32_t at = 0; at < text.size();) {
    std::uint32_t end = at;
    while (end < text.size() && end - at < max_ && passes(text[end].code)) ++end;
    if (end - at >= min_) matches.push_back({at, end});
    at = std::max(end, at + 1);
  }
}

}  // namespace sesame::tokenizers
