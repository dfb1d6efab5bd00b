#include "bench/table.h"

#include "bench/report.h"

namespace sesame::bench {
namespace {

std::string markdown_line(const std::vector<std::string>& cells) {
  std::string line = "|";
  for (const std::string& cell : cells) {
    line += ' ';
    for (const char c : cell) line += c == '|' ? std::string("\\|") : std::string(1, c);
    line += " |";
  }
  return line + '\n';
}

}  // namespace

std::string to_text(const Table& table) {
  std::vector<std::vector<std::string>> lines = {table.columns};
  for (const auto& row : table.rows) {
    lines.push_back(row);
    for (std::string& cell : lines.back()) {
      if (cell.empty()) cell.push_back('-');
    }
  }
  return align_columns(lines, table.left);
}

std::string to_markdown(const Table& table) {
  std::string text = markdown_line(table.columns) + '|';
  for (std::size_t i = 0; i < table.columns.size(); ++i) text += i < table.left ? "---|" : "---:|";
  text += '\n';
  for (const auto& row : table.rows) text += markdown_line(row);
  return text;
}

}  // namespace sesame::bench
