#include "models/json.h"

#include <algorithm>

#include "sesame/error.h"

namespace sesame {
namespace {

constexpr std::size_t kShown = 60;

std::string describe(const nlohmann::json& node) {
  if (node.is_object()) return "an object";
  if (node.is_array()) return "an array of " + std::to_string(node.size());
  if (node.is_string()) return in_quotes(node.get_ref<const std::string&>());
  return node.dump();
}

}  // namespace

std::string in_quotes(std::string_view text) {
  const bool cut = text.size() > kShown;
  if (cut) text = text.substr(0, kShown);
  std::string out = nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  return cut ? out + "..." : out;
}

nlohmann::json parse_json(std::string_view bytes, const std::string& label) {
  try {
    return nlohmann::json::parse(bytes);
  } catch (const nlohmann::json::parse_error& error) {
    throw Error(label + ": expected JSON, found a syntax error at byte " +
                std::to_string(std::min(error.byte, bytes.size())) + " of " + std::to_string(bytes.size()));
  } catch (const nlohmann::json::exception&) {
    throw Error(label + ": expected JSON, found a number too large for it");
  }
}

std::optional<nlohmann::json> read_json(const FileSet& files, std::string_view name) {
  const auto bytes = files.read(name);
  if (!bytes) return std::nullopt;
  nlohmann::json json = parse_json(*bytes, files.label(name));
  if (!json.is_object()) throw Error(files.label(name) + ": expected an object, found " + describe(json));
  return json;
}

std::optional<Field> Field::find(std::string_view key) const {
  const auto& members = object();
  const auto found = members.find(key);
  if (found == members.end() || found->is_null()) return std::nullopt;
  return Field(*found, label_, path_.empty() ? std::string(key) : path_ + "." + std::string(key));
}

Field Field::at(std::string_view key) const {
  auto found = find(key);
  if (!found) refuse("a field " + in_quotes(key), "none");
  return *std::move(found);
}

Field Field::element(std::size_t index) const {
  return Field((*node_)[index], label_, path_ + "[" + std::to_string(index) + "]");
}

const nlohmann::json& Field::object() const {
  if (!node_->is_object()) refuse("an object");
  return *node_;
}

const nlohmann::json& Field::array() const {
  if (!node_->is_array()) refuse("an array");
  return *node_;
}

const std::string& Field::string() const {
  if (!node_->is_string()) refuse("a string");
  return node_->get_ref<const std::string&>();
}

bool Field::boolean() const {
  if (!node_->is_boolean()) refuse("true or false");
  return node_->get<bool>();
}

double Field::number() const {
  if (!node_->is_number()) refuse("a number");
  return node_->get<double>();
}

std::int64_t Field::integer(std::int64_t min, std::int64_t max) const {
  const std::string expected = "an integer from " + std::to_string(min) + " to " + std::to_string(max);
  if (!node_->is_number_integer()) refuse(expected);
  const bool huge = node_->is_number_unsigned() &&
                    node_->get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (huge || node_->get<std::int64_t>() < min || node_->get<std::int64_t>() > max) refuse(expected);
  return node_->get<std::int64_t>();
}

bool Field::boolean_or(std::string_view key, bool fallback) const {
  const auto field = find(key);
  return field ? field->boolean() : fallback;
}

std::string Field::string_or(std::string_view key, std::string_view fallback) const {
  const auto field = find(key);
  return field ? field->string() : std::string(fallback);
}

std::int64_t Field::integer_or(std::string_view key, std::int64_t min, std::int64_t max, std::int64_t fallback) const {
  const auto field = find(key);
  return field ? field->integer(min, max) : fallback;
}

void Field::refuse(std::string_view expected) const { refuse(expected, describe(*node_)); }

void Field::refuse(std::string_view expected, std::string_view found) const {
  std::string line = label_ + ": ";
  if (!path_.empty()) line += path_ + ": ";
  throw Error(line.append("expected ").append(expected).append(", found ").append(found));
}

}  // namespace sesame
