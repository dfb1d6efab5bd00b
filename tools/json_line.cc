#include "tools/json_line.h"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

namespace sesame::tools {

std::string json_string(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string json_number(float value) {
  if (!std::isfinite(value)) return "null";
  char text[32];
  const auto result = std::to_chars(text, text + sizeof text, value);
  return {text, result.ptr};
}

JsonLine& JsonLine::raw(std::string_view key, std::string_view json) {
  if (!fields_.empty()) fields_ += ", ";
  fields_ += json_string(key);
  fields_ += ": ";
  fields_ += json;
  return *this;
}

JsonLine& JsonLine::integers(std::string_view key, std::span<const std::int64_t> values) {
  std::string list;
  for (const std::int64_t each : values) list += (list.empty() ? "" : ", ") + std::to_string(each);
  return raw(key, '[' + list + ']');
}

}  // namespace sesame::tools
