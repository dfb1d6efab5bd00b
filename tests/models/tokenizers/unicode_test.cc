#include "models/tokenizers/unicode.h"

#include <utf8proc.h>

#include <random>

#include "models/tokenizers/utf8.h"
#include "tests/catch.h"

using namespace sesame::tokenizers;

namespace {

std::string normal_form(NormalForm form, const std::string& text) {
  Glyphs glyphs, spare;
  decode(text, glyphs);
  normalize(form, glyphs, spare);
  std::string out;
  encode(glyphs, out);
  return out;
}

// The same by utf8proc's own way through whole strings.
std::string expected_form(NormalForm form, const std::string& text) {
  const bool compose = form == NormalForm::kNfc || form == NormalForm::kNfkc;
  const bool compatibility = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
  const int options =
      UTF8PROC_STABLE | (compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) | (compatibility ? UTF8PROC_COMPAT : 0);
  utf8proc_uint8_t* out = nullptr;
  const auto size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                   &out, static_cast<utf8proc_option_t>(options));
  REQUIRE(size >= 0);
  std::string result(reinterpret_cast<const char*>(out), static_cast<std::size_t>(size));
  std::free(out);
  return result;
}

constexpr NormalForm kForms[] = {NormalForm::kNfc, NormalForm::kNfd, NormalForm::kNfkc, NormalForm::kNfkd};

}  // namespace

TEST_CASE("normal forms of every code point") {
  for (const NormalForm form : kForms) {
    int wrong = 0;
    for (char32_t code = 1; code < 0x110000; ++code) {
      if (code == 0xD800) code = 0xE000;
      std::string text;
      append_utf8(code, text);
      if (normal_form(form, text) != expected_form(form, text)) ++wrong;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("normal forms of random runs of letters, marks and hangul") {
  std::mt19937 random(1);
  const std::u32string alphabet =
      U"aeIo\u00E9\u1EA5\u0301\u0302\u0323\u0307\u030A\u0345\u0958\u093C\u0F71\u0F72\u0F74"
      U"\u1100\u1161\u11A8\uAC00\uAC01\u212B\u2126\uFB01\u00BD\u3099\u304B";
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (int i = 0; i < 8; ++i) append_utf8(alphabet[random() % alphabet.size()], text);
    INFO(text << " round " << round);
    for (const NormalForm form : kForms) REQUIRE(normal_form(form, text) == expected_form(form, text));
  }
}

TEST_CASE("composed glyphs cover their parts") {
  Glyphs glyphs, spare;
  decode("xe\xCC\x81y", glyphs);
  normalize(NormalForm::kNfc, glyphs, spare);
  REQUIRE(glyphs.size() == 3);
  CHECK(glyphs[1].code == 0xE9);
  CHECK(glyphs[1].begin == 1);
  CHECK(glyphs[1].end == 3);
  CHECK(glyphs[2].begin == 3);
}

TEST_CASE("a long run of marks takes no quadratic time") {
  std::string text = "a";
  for (int i = 0; i < 200000; ++i) text += i % 2 == 0 ? "\xCC\x81" : "\xCC\xA3";
  Glyphs glyphs, spare;
  decode(text, glyphs);
  normalize(NormalForm::kNfc, glyphs, spare);
  CHECK(glyphs.size() == 200000);  // a and the first dot below compose, the rest stays
}

TEST_CASE("classes of characters") {
  CHECK(is_punctuation('$'));
  CHECK(is_punctuation(0x3002));
  CHECK_FALSE(is_punctuation(0x20AC));  // a currency sign beyond ASCII
  CHECK(is_control(0x200B));
  CHECK(is_control(0xE000));
  CHECK_FALSE(is_control('\n'));
  CHECK_FALSE(is_control(0xFFFE));
  CHECK(is_unassigned(0xFFFE));
  CHECK(is_whitespace(0x3000));
  CHECK_FALSE(is_whitespace(0x200B));
  CHECK(is_cjk(0x20000));
  CHECK(is_cjk(0x2CEAF));
  CHECK_FALSE(is_cjk(0x2CEB0));
  CHECK_FALSE(is_cjk(0x3042));
  CHECK_FALSE(is_cjk(0xAC00));
}

TEST_CASE("lower case") {
  Glyphs out;
  for (const char32_t code : {char32_t{'Q'}, char32_t{0x130}, char32_t{0x3A3}, char32_t{0x1E9E}}) {
    append_lower({code, 0, 1}, out);
  }
  REQUIRE(out.size() == 5);
  CHECK(out[0].code == 'q');
  CHECK(out[1].code == 'i');
  CHECK(out[2].code == 0x307);
  CHECK(out[3].code == 0x3C3);
  CHECK(out[4].code == 0xDF);
}
