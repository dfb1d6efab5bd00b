#include "models/eval/labelled_data.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "sesame/error.h"

namespace sesame::models {
namespace {

std::ifstream open(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in || std::filesystem::is_directory(file)) throw Error(file.string() + ": expected a file with labelled texts");
  return in;
}

void append_examples(const nlohmann::json& root, const char* part, const std::string& file,
                     std::vector<LabelledText>& out) {
  const auto found = root.find(part);
  if (found == root.end() || !found->is_array()) {
    throw Error(file + ": expected CLINC150's list \"" + part + "\", found none");
  }
  for (const auto& example : *found) {
    if (!example.is_array() || example.size() != 2 || !example[0].is_string() || !example[1].is_string()) {
      throw Error(file + ": expected [text, label] in \"" + part + "\", found " + example.dump().substr(0, 60));
    }
    out.push_back({example[0], example[1]});
  }
}

std::vector<LabelledText> read_clinc150(const std::filesystem::path& file) {
  std::ifstream in = open(file);
  const auto root = nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false);
  if (!root.is_object()) throw Error(file.string() + ": expected a JSON object in CLINC150's layout");
  std::vector<LabelledText> examples;
  append_examples(root, "test", file.string(), examples);
  append_examples(root, "oos_test", file.string(), examples);
  return examples;
}

std::vector<LabelledText> read_tsv(const std::filesystem::path& file) {
  std::ifstream in = open(file);
  std::vector<LabelledText> examples;
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) continue;
    const std::size_t tab = line.rfind('\t');
    if (tab == std::string::npos || tab + 1 == line.size()) {
      throw Error(file.string() + ":" + std::to_string(number) + ": expected text TAB label, found no label");
    }
    if (number == 1 && line.substr(tab + 1) == "label") continue;
    examples.push_back({line.substr(0, tab), line.substr(tab + 1)});
  }
  return examples;
}

std::optional<std::size_t> whole_number(std::string_view text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::vector<LabelledText> read_labelled_texts(const std::filesystem::path& file) {
  auto examples = file.extension() == ".json" ? read_clinc150(file) : read_tsv(file);
  if (examples.empty()) throw Error(file.string() + ": expected labelled texts, found none");
  return examples;
}

std::vector<std::size_t> label_indices(std::span<const LabelledText> data, std::span<const std::string> labels) {
  std::map<std::string_view, std::size_t> by_name;
  for (std::size_t i = 0; i < labels.size(); ++i) by_name.emplace(labels[i], i);

  const bool are_names = std::ranges::any_of(data, [&](const auto& each) { return by_name.contains(each.label); });
  std::vector<std::size_t> indices;
  indices.reserve(data.size());
  for (const LabelledText& each : data) {
    const auto named = by_name.find(each.label);
    const auto index = are_names ? std::nullopt : whole_number(each.label);
    if (named != by_name.end()) {
      indices.push_back(named->second);
    } else if (index && *index < labels.size()) {
      indices.push_back(*index);
    } else {
      throw Error("label '" + each.label + "' of '" + each.text.substr(0, 40) + "' is none of the model's " +
                  std::to_string(labels.size()) + " labels");
    }
  }
  return indices;
}

}  // namespace sesame::models
