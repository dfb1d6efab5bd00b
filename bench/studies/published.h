// The .csv files of this folder, compiled in.
#pragma once

#include <span>
#include <string_view>

namespace sesame::bench {

struct PublishedFile {
  std::string_view name;  // without ".csv"
  std::string_view content;
};

std::span<const PublishedFile> published_files();

}  // namespace sesame::bench
