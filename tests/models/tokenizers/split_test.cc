#include "models/tokenizers/byte_level.h"
#include "models/tokenizers/pattern.h"
#include "models/tokenizers/pre_tokenizer.h"
#include "models/tokenizers/unicode.h"
#include "models/tokenizers/utf8.h"
#include "tests/catch.h"

using namespace sesame::tokenizers;
using Strings = std::vector<std::string>;

namespace {

Strings strings_of(const Glyphs& glyphs, const std::vector<Range>& ranges) {
  Strings strings;
  for (const Range range : ranges) {
    encode(GlyphView(glyphs).subspan(range.begin, range.end - range.begin), strings.emplace_back());
  }
  return strings;
}

Strings split(const PreTokenizer& stage, const std::string& text) {
  Words words, spare;
  decode(text, words.glyphs);
  words.ranges = {{0, static_cast<std::uint32_t>(words.glyphs.size())}};
  stage.split(words, spare);
  return strings_of(words.glyphs, words.ranges);
}

Strings byte_level_words(const std::string& text) {
  Glyphs glyphs;
  decode(text, glyphs);
  std::vector<Range> ranges;
  split_byte_level(glyphs, ranges);
  return strings_of(glyphs, ranges);
}

Strings split_at(const char* expression, SplitBehavior behavior, bool inverted, const std::string& text) {
  return split(Split(*Pattern::regex(expression), behavior, inverted), text);
}

}  // namespace

TEST_CASE("BERT's words end at spaces and at punctuation") {
  CHECK(split(BertPreTokenizer(), "a bc,d  e.") == Strings{"a", "bc", ",", "d", "e", "."});
  CHECK(split(BertPreTokenizer(), "  ") == Strings{});
  CHECK(split(BertPreTokenizer(), "...") == Strings{".", ".", "."});
}

TEST_CASE("byte-level words") {
  CHECK(byte_level_words("I'll go, we've 12th") == Strings{"I", "'ll", " go", ",", " we", "'ve", " 12", "th"});
  CHECK(byte_level_words("a  b") == Strings{"a", " ", " b"});
  CHECK(byte_level_words("a \n\n b  ") == Strings{"a", " \n\n", " b", "  "});
  CHECK(byte_level_words("a\nb") == Strings{"a", "\n", "b"});
  CHECK(byte_level_words("x!'s 's") == Strings{"x", "!'", "s", " '", "s"});
  CHECK(byte_level_words("'r 'l 'v'") == Strings{"'", "r", " '", "l", " '", "v", "'"});
  CHECK(byte_level_words(" ") == Strings{" "});
}

TEST_CASE("bytes become visible characters") {
  CHECK(split(ByteLevel(false, true), "a \xC3\xA9") == Strings{"a", "\xC4\xA0\xC3\x83\xC2\xA9"});
  CHECK(split(ByteLevel(true, true), "a") == Strings{"\xC4\xA0"
                                                     "a"});
  CHECK(split(ByteLevel(true, true), " a") == Strings{"\xC4\xA0"
                                                      "a"});
  CHECK(split(ByteLevel(false, false), "a b") == Strings{"a\xC4\xA0"
                                                         "b"});
  std::vector<bool> seen(0x200);
  for (const char16_t code : kByteToChar) {
    REQUIRE(code < 0x200);
    CHECK_FALSE(seen[code]);
    seen[code] = true;
  }
}

TEST_CASE("SentencePiece's words begin with their mark") {
  using Scheme = Metaspace::Scheme;
  CHECK(split(Metaspace('_', Scheme::kAlways, true), "Hey  you") == Strings{"_Hey", "_", "_you"});
  CHECK(split(Metaspace('_', Scheme::kAlways, true), " Hey") == Strings{"_Hey"});
  CHECK(split(Metaspace('_', Scheme::kNever, true), "Hey you") == Strings{"Hey", "_you"});
  CHECK(split(Metaspace('_', Scheme::kFirst, false), "Hey you") == Strings{"_Hey_you"});
}

TEST_CASE("what becomes of matches") {
  CHECK(split_at("\\d", SplitBehavior::kIsolated, false, "a12b") == Strings{"a", "1", "2", "b"});
  CHECK(split_at("\\d+", SplitBehavior::kIsolated, false, "a12b") == Strings{"a", "12", "b"});
  CHECK(split_at("\\d", SplitBehavior::kContiguous, false, "a12b") == Strings{"a", "12", "b"});
  CHECK(split_at("\\s+", SplitBehavior::kRemoved, false, " a  b") == Strings{"a", "b"});
  CHECK(split_at("\\d", SplitBehavior::kRemoved, true, "a12b") == Strings{"1", "2"});
  CHECK(split_at("\\d", SplitBehavior::kMergedWithPrevious, false, "a12b") == Strings{"a1", "2", "b"});
  CHECK(split_at("\\d", SplitBehavior::kMergedWithNext, false, "a12b") == Strings{"a", "1", "2b"});
  CHECK(split_at("\\w+|[^\\w\\s]+", SplitBehavior::kRemoved, true, "Hi, you!! ") == Strings{"Hi", ",", "you", "!!"});
  CHECK(split_at(" {2,}", SplitBehavior::kIsolated, false, "a b  c") == Strings{"a b", "  ", "c"});
}

TEST_CASE("expressions that aren't known are refused") {
  for (const char* expression : {"", "a|b", "(a)", "[a-z]", "\\s*", "\\p{Lu}+", "x{0,}", "x{2,3}", "."}) {
    INFO(expression);
    CHECK_FALSE(Pattern::regex(expression));
  }
}

TEST_CASE("a literal matches from left to right without overlap") {
  Glyphs glyphs;
  decode("aaaab", glyphs);
  std::vector<Range> matches;
  Pattern::literal(U"aa").find_all(glyphs, matches);
  REQUIRE(matches.size() == 2);
  CHECK(matches[1].begin == 2);
}
