#include "models/eval/masked_tokens.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "sesame/error.h"

namespace sesame::models {

namespace {

using Json = nlohmann::json;

constexpr std::int64_t kNotAsked = -100;

std::vector<std::int64_t> integers(const Json& row, const char* name) {
  std::vector<std::int64_t> list;
  const auto found = row.find(name);
  if (found == row.end()) return list;
  if (!found->is_array()) throw Error(std::string("'") + name + "': expected a list");
  for (const Json& each : *found) {
    if (!each.is_number_integer()) throw Error(std::string("'") + name + "': expected whole numbers");
    list.push_back(each.get<std::int64_t>());
  }
  return list;
}

MaskedRow parse_row(const std::string& line) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) throw Error("expected an object with input_ids and labels");
  MaskedRow row;
  row.ids = integers(json, "input_ids");
  row.type_ids = integers(json, "token_type_ids");
  const auto labels = integers(json, "labels");
  const auto mask = integers(json, "attention_mask");
  const auto fits = [&](const auto& list) { return list.empty() || list.size() == row.ids.size(); };
  if (row.ids.empty() || labels.size() != row.ids.size() || !fits(row.type_ids) || !fits(mask)) {
    throw Error("expected input_ids, and labels (and others) as many as them");
  }
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] != kNotAsked) row.asked.push_back({i, labels[i]});
  }
  std::size_t length = row.ids.size();
  while (length > 0 && !mask.empty() && mask[length - 1] == 0) --length;
  if (row.asked.empty() || row.asked.back().position >= length) throw Error("expected a label of a token to ask for");
  row.ids.resize(length);
  if (!row.type_ids.empty()) row.type_ids.resize(length);
  return row;
}

}  // namespace

std::vector<MaskedRow> mask_tokens(const Tokenizer& tokenizer, std::span<const std::string> texts,
                                   std::size_t max_length, std::size_t every, std::size_t first) {
  const auto mask = tokenizer.special_ids().mask;
  if (!mask) throw Error("expected a tokenizer with a mask token, found one without");
  std::vector<MaskedRow> rows;
  std::size_t count = 0;
  for (const std::string& text : texts) {
    const Encoding encoding = tokenizer.encode(text, {.max_length = max_length});
    for (std::size_t i = 0; i < encoding.ids.size(); ++i) {
      const std::int64_t id = encoding.ids[i];
      if (tokenizer.is_special(id) || count++ % every != first) continue;
      MaskedRow row{encoding.ids, encoding.type_ids, {{i, id}}};
      row.ids[i] = *mask;
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

std::vector<MaskedRow> read_masked_rows(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in || std::filesystem::is_directory(file)) throw Error(file.string() + ": expected a file of masked rows");
  std::vector<MaskedRow> rows;
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    if (line.empty() || line == "\r") continue;
    try {
      rows.push_back(parse_row(line));
    } catch (const Error& error) {
      throw Error(file.string() + ":" + std::to_string(number) + ": " + error.what());
    }
  }
  if (rows.empty()) throw Error(file.string() + ": expected masked rows, found none");
  return rows;
}

}  // namespace sesame::models
