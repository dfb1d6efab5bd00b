// Untrusted JSON, read with errors that name the file and the field.
#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "models/files.h"

namespace sesame {

// Parses a file's bytes; `label` names the file. Throws Error.
nlohmann::json parse_json(std::string_view bytes, const std::string& label);

// Parses files.read(name), which must be an object; nothing when there is no such file.
std::optional<nlohmann::json> read_json(const FileSet& files, std::string_view name);

// A place in a parsed file. Its members throw Error: "FILE: a.b[2]: expected a string, found 7".
class Field {
 public:
  Field(const nlohmann::json& node, std::string label) : Field(node, std::move(label), {}) {}

  // The member, or nothing when it is missing or null. Throws when this is no object.
  std::optional<Field> find(std::string_view key) const;
  Field at(std::string_view key) const;
  Field element(std::size_t index) const;  // requires that this is an array that has it
  std::size_t size() const { return node_->size(); }

  bool is_array() const { return node_->is_array(); }
  bool is_object() const { return node_->is_object(); }
  bool is_string() const { return node_->is_string(); }
  bool is_number() const { return node_->is_number(); }

  const nlohmann::json& object() const;
  const nlohmann::json& array() const;
  const std::string& string() const;
  bool boolean() const;
  double number() const;
  std::int64_t integer(std::int64_t min, std::int64_t max) const;

  // The member's value, or `fallback` when it is missing or null.
  bool boolean_or(std::string_view key, bool fallback) const;
  std::string string_or(std::string_view key, std::string_view fallback) const;
  std::int64_t integer_or(std::string_view key, std::int64_t min, std::int64_t max, std::int64_t fallback) const;

  [[noreturn]] void refuse(std::string_view expected) const;
  [[noreturn]] void refuse(std::string_view expected, std::string_view found) const;

 private:
  Field(const nlohmann::json& node, std::string label, std::string path)
      : node_(&node), label_(std::move(label)), path_(std::move(path)) {}

  const nlohmann::json* node_;
  std::string label_, path_;
};

// At most 60 bytes of a text that may be anything, in quotes and fit for one line of an error.
std::string in_quotes(std::string_view text);

}  // namespace sesame
