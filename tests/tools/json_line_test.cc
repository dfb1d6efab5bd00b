#include "tools/json_line.h"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "tests/catch.h"

using namespace sesame::tools;

TEST_CASE("floats print as the shortest text that gives back the same float32") {
  CHECK(json_number(0.98f) == "0.98");
  CHECK(json_number(1) == "1");
  CHECK(json_number(0.1f + 0.2f) == "0.3");
  for (const float x : {1.0f / 3, 1e-38f, 3.4028235e38f, std::nextafter(0.5f, 1.0f), 16777216.0f}) {
    CHECK(std::strtof(json_number(x).c_str(), nullptr) == x);
  }
}

TEST_CASE("what JSON has no number for is null") {
  CHECK(json_number(std::nanf("")) == "null");
  CHECK(json_number(-std::numeric_limits<float>::infinity()) == "null");
}

TEST_CASE("strings are quoted and mended") {
  CHECK(json_string("a\"b\n") == R"("a\"b\n")");
  CHECK(json_string("caf\xe9") == "\"caf\xef\xbf\xbd\"");
}

TEST_CASE("a line is one JSON object with its fields in order") {
  const std::vector<std::int64_t> ids = {101, -1};
  const auto line = JsonLine().text("label", "a\tb").number("score", 0.5f).flag("truncated", true).integers("ids", ids);
  CHECK(line.str() == R"({"label": "a\tb", "score": 0.5, "truncated": true, "ids": [101, -1]})");
  CHECK(JsonLine().str() == "{}");
}
