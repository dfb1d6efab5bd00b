// One JSON object on one line, its fields in the order in which they are added.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sesame::tools {

// text as a JSON string with quotes; bytes that are no UTF-8 become U+FFFD.
std::string json_string(std::string_view text);

// The shortest text that gives back the same float32; null for NaN and infinities, which JSON does not have.
std::string json_number(float value);

class JsonLine {
 public:
  JsonLine& text(std::string_view key, std::string_view value) { return raw(key, json_string(value)); }
  JsonLine& number(std::string_view key, float value) { return raw(key, json_number(value)); }
  JsonLine& flag(std::string_view key, bool value) { return raw(key, value ? "true" : "false"); }
  JsonLine& integers(std::string_view key, std::span<const std::int64_t> values);
  // `json` is valid JSON already.
  JsonLine& raw(std::string_view key, std::string_view json);

  std::string str() const { return '{' + fields_ + '}'; }

 private:
  std::string fields_;
};

}  // namespace sesame::tools
