// A table of text cells, for terminals and for Markdown.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace sesame::bench {

struct Table {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;  // each as long as `columns`; an empty cell has no figure
  std::size_t left = 1;                        // the first so many columns are names, flush left; the others figures
};

// One line a row under a heading.
std::string to_text(const Table& table);
std::string to_markdown(const Table& table);

}  // namespace sesame::bench
