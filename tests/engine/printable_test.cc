#include "engine/printable.h"

#include "tests/catch.h"

namespace sesame::engine {

namespace {

TEST_CASE("Ordinary names stay as they are") {
  CHECK(printable("").empty());
  CHECK(printable("layer.0/MatMul_output_0") == "layer.0/MatMul_output_0");
  CHECK(printable("größe €, 𝄞") == "größe €, 𝄞");
}

TEST_CASE("Control characters and broken UTF-8 become question marks") {
  CHECK(printable("a\nb\tc\x7F") == "a?b?c?");
  CHECK(printable(std::string_view("a\0b", 3)) == "a?b");
  CHECK(printable("\xFF\x80") == "??");
  CHECK(printable("\xC3") == "?");                 // cut short
  CHECK(printable("\xC0\xAF") == "??");            // overlong
  CHECK(printable("\xE0\x80\x80") == "???");       // overlong
  CHECK(printable("\xED\xA0\x80") == "???");       // a surrogate
  CHECK(printable("\xF4\x90\x80\x80") == "????");  // beyond U+10FFFF
}

TEST_CASE("Long names are cut between characters") {
  CHECK(printable("abcdef", 6) == "abcdef");
  CHECK(printable("abcdef", 5) == "abcde...");
  CHECK(printable("ab€", 4) == "ab...");
}

}  // namespace

}  // namespace sesame::engine
