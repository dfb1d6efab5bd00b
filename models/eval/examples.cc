#include "models/eval/examples.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <initializer_list>
#include <string_view>

#include "models/eval/labelled_data.h"
#include "sesame/error.h"

namespace sesame::models {
namespace {

using Cells = std::vector<std::string>;
using Lines = std::vector<Cells>;

// Where a file has its columns.
struct Layout {
  ExampleKind kind = ExampleKind::classes;
  std::size_t label = 0;
  std::size_t text = 0;
  std::optional<std::size_t> pair = {};
  bool has_heading = false;
};

std::vector<std::string> lines_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in || std::filesystem::is_directory(file)) throw Error(file.string() + ": expected a file with labelled texts");
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    if (line.ends_with('\r')) line.pop_back();
    lines.push_back(std::move(line));
  }
  return lines;
}

Cells split(const std::string& line) {
  Cells cells;
  for (std::size_t begin = 0;;) {
    const std::size_t tab = line.find('\t', begin);
    cells.push_back(line.substr(begin, tab - begin));
    if (tab == std::string::npos) return cells;
    begin = tab + 1;
  }
}

std::optional<std::size_t> column(const Cells& heading, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    for (std::size_t i = 0; i < heading.size(); ++i) {
      const auto same = [](char a, char b) { return (a | 32) == (b | 32); };
      if (std::ranges::equal(heading[i], name, same)) return i;
    }
  }
  return std::nullopt;
}

std::optional<Layout> layout_of_heading(const Cells& heading) {
  Layout layout{.has_heading = true};
  const auto score = column(heading, {"score"});
  const auto label = score ? score : column(heading, {"label", "gold_label", "quality", "is_duplicate"});
  const auto first =
      column(heading, {"sentence1", "#1 String", "question1", "premise", "question", "sentence", "text"});
  if (!label || !first) return std::nullopt;
  const auto second = column(heading, {"sentence2", "#2 String", "question2", "hypothesis", "sentence"});
  layout.kind = score ? ExampleKind::similarity : ExampleKind::classes;
  layout.label = *label;
  layout.text = *first;
  if (second && *second != *first) layout.pair = second;
  return layout;
}

bool is_number(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

std::optional<Layout> layout_of(const Lines& lines) {
  const auto all = [&](auto&& holds) { return std::ranges::all_of(lines, holds); };
  if (const auto named = layout_of_heading(lines[0]); named && (named->pair || lines[0].size() != 2)) return named;
  if (all([](const Cells& each) { return each.size() >= 7 && is_number(each[4]); })) {
    return Layout{.kind = ExampleKind::similarity, .label = 4, .text = 5, .pair = 6};
  }
  if (all([](const Cells& each) { return each.size() == 4 && (each[1] == "0" || each[1] == "1"); })) {
    return Layout{.kind = ExampleKind::acceptability, .label = 1, .text = 3};
  }
  if (all([](const Cells& each) { return each.size() == 3; })) return Layout{.label = 2, .text = 0, .pair = 1};
  return std::nullopt;
}

ExampleFile from_single_texts(const std::filesystem::path& file) {
  ExampleFile result;
  for (auto& each : read_labelled_texts(file)) {
    result.examples.push_back({std::move(each.text), std::nullopt, std::move(each.label)});
  }
  return result;
}

}  // namespace

ExampleFile read_examples(const std::filesystem::path& file) {
  if (file.extension() == ".json") return from_single_texts(file);
  Lines lines;
  std::vector<std::size_t> numbers;
  const auto all = lines_of(file);
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].empty()) continue;
    lines.push_back(split(all[i]));
    numbers.push_back(i + 1);
  }
  if (lines.empty()) throw Error(file.string() + ": expected labelled texts, found none");
  const auto layout = layout_of(lines);
  if (!layout) return from_single_texts(file);

  ExampleFile result{.kind = layout->kind, .examples = {}};
  const std::size_t needed = std::max({layout->label, layout->text, layout->pair.value_or(0)}) + 1;
  for (std::size_t i = layout->has_heading ? 1 : 0; i < lines.size(); ++i) {
    Cells& cells = lines[i];
    if (cells.size() < needed) {
      throw Error(file.string() + ":" + std::to_string(numbers[i]) + ": expected " + std::to_string(needed) +
                  " columns, found " + std::to_string(cells.size()));
    }
    Example example{.text = cells[layout->text], .pair = std::nullopt, .label = cells[layout->label]};
    if (layout->pair) example.pair = cells[*layout->pair];
    if (layout->kind == ExampleKind::similarity && !is_number(example.label)) {
      throw Error(file.string() + ":" + std::to_string(numbers[i]) + ": expected a number as score, found '" +
                  example.label + "'");
    }
    result.examples.push_back(std::move(example));
  }
  return result;
}

std::vector<std::string> read_plain_texts(const std::filesystem::path& file) {
  std::vector<std::string> texts = lines_of(file);
  std::erase_if(texts, [](const std::string& each) { return each.empty(); });
  if (texts.empty()) throw Error(file.string() + ": expected lines of text, found none");
  return texts;
}

}  // namespace sesame::models
