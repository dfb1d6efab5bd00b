#include "models/tokenizers/utf8.h"

#include "tests/catch.h"

using namespace sesame::tokenizers;

TEST_CASE("well-formed text decodes to its code points and back") {
  const std::string text = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80";
  Glyphs glyphs;
  decode(text, glyphs);
  REQUIRE(glyphs.size() == 4);
  CHECK(glyphs[1].code == 0xE9);
  CHECK(glyphs[2].code == 0x20AC);
  CHECK(glyphs[3].code == 0x1F600);
  CHECK(glyphs[3].begin == 3);
  CHECK(glyphs[3].end == 4);
  std::string back;
  encode(glyphs, back);
  CHECK(back == text);
}

TEST_CASE("each maximal part of a malformed sequence is one U+FFFD") {
  const std::string r = "\xEF\xBF\xBD";
  CHECK(repair_utf8("\x80") == r);                          // a continuation alone
  CHECK(repair_utf8("\xC0\xAF") == r + r);                  // overlong: neither byte may stand there
  CHECK(repair_utf8("\xE0\x80\xAF") == r + r + r);          // overlong
  CHECK(repair_utf8("\xED\xA0\x80") == r + r + r);          // a surrogate
  CHECK(repair_utf8("\xF4\x90\x80\x80") == r + r + r + r);  // beyond U+10FFFF
  CHECK(repair_utf8("\xF0\x9F\x98") == r);                  // cut off
  CHECK(repair_utf8("\xF0\x9F\x98x") == r + "x");           // broken off
  CHECK(repair_utf8("\xE2\x82\xE2\x82\xAC") == r + "\xE2\x82\xAC");
  CHECK(repair_utf8("a\xFF"
                    "b\xFE") == "a" + r + "b" + r);
  CHECK(repair_utf8(std::string("\0a", 2)) == std::string("\0a", 2));
}
