// The bundled intent model's own evaluation sentences: a file that people edit by hand, so its form is checked here.
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "tests/catch.h"

namespace {

const std::string kFolder = std::string(SESAME_SOURCE_DIR) + "/models/intent/";

std::vector<std::string> read_lines(const std::string& path) {
  std::ifstream file(path);
  INFO("reading " << path);
  REQUIRE(file.is_open());
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

struct Example {
  std::string text;
  std::string label;
};

// Splits "text<TAB>label"; fails the test unless there are exactly two columns, neither of them empty.
Example split_columns(const std::string& line) {
  const size_t tab = line.find('\t');
  INFO("line: " << line);
  REQUIRE(tab != std::string::npos);
  REQUIRE(line.find('\t', tab + 1) == std::string::npos);
  Example example{line.substr(0, tab), line.substr(tab + 1)};
  REQUIRE_FALSE(example.text.empty());
  REQUIRE_FALSE(example.label.empty());
  return example;
}

std::vector<Example> read_examples() {
  std::vector<Example> examples;
  for (const std::string& line : read_lines(kFolder + "eval.tsv")) examples.push_back(split_columns(line));
  return examples;
}

std::set<std::string> known_labels() {
  std::ifstream file(kFolder + "config.json");
  REQUIRE(file.is_open());
  const auto config = nlohmann::json::parse(file);
  std::set<std::string> labels;
  for (const auto& [id, label] : config.at("id2label").items()) labels.insert(label.get<std::string>());
  return labels;
}

// ASCII letters in lower case and digits, one blank between words, no apostrophes: what is equal after this is a
// duplicate. Bytes of other scripts stay as they are.
std::string normalised(const std::string& text) {
  std::string out;
  bool gap = false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\'') continue;
    const bool upper = c >= 'A' && c <= 'Z';
    if (!(upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || byte >= 0x80)) {
      gap = true;
      continue;
    }
    if (gap && !out.empty()) out += ' ';
    gap = false;
    out += upper ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

}  // namespace

TEST_CASE("intent eval.tsv has enough sentences, intents and out-of-scope ones") {
  const auto examples = read_examples();
  CHECK(examples.size() >= 300);
  std::set<std::string> intents;
  size_t out_of_scope = 0;
  for (const Example& example : examples) {
    if (example.label == "oos") {
      ++out_of_scope;
    } else {
      intents.insert(example.label);
    }
  }
  CHECK(intents.size() >= 75);
  CHECK(out_of_scope >= 30);
}

TEST_CASE("intent eval.tsv uses the labels of config.json") {
  const auto labels = known_labels();
  CHECK(labels.size() == 151);
  for (const Example& example : read_examples()) {
    INFO(example.text << " -> " << example.label);
    CHECK(labels.count(example.label) == 1);
  }
}

TEST_CASE("intent eval.tsv says nothing twice") {
  std::set<std::string> seen;
  for (const Example& example : read_examples()) {
    INFO(example.text);
    const std::string text = normalised(example.text);
    CHECK_FALSE(text.empty());
    CHECK(seen.insert(text).second);
  }
}
