#include "models/calibration_texts.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>
#include <utility>

#include "sesame/error.h"

namespace sesame::models {

namespace {

namespace fs = std::filesystem;

std::ifstream open(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in || fs::is_directory(file)) throw Error(file.string() + ": expected a file with texts to calibrate on");
  return in;
}

std::vector<std::string> read_lines(const fs::path& file) {
  std::ifstream in = open(file);
  std::vector<std::string> texts;
  const bool has_labels = file.extension() == ".tsv";
  std::string line;
  for (bool first = true; std::getline(in, line); first = false) {
    if (line.ends_with('\r')) line.pop_back();
    const std::size_t tab = has_labels ? line.rfind('\t') : std::string::npos;
    if (first && tab != std::string::npos && line.substr(tab + 1) == "label") continue;
    if (tab != std::string::npos) line.resize(tab);
    if (!line.empty()) texts.push_back(line);
  }
  return texts;
}

std::vector<std::string> read_clinc150(const fs::path& file) {
  std::ifstream in = open(file);
  const auto root = nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false);
  const auto train = root.is_object() ? root.find("train") : root.end();
  if (!root.is_object() || train == root.end() || !train->is_array()) {
    throw Error(file.string() + ": expected CLINC150's list \"train\", found none");
  }
  std::vector<std::string> texts;
  for (const auto& example : *train) {
    const bool has_text = example.is_array() && !example.empty() && example[0].is_string();
    if (has_text && !example[0].get_ref<const std::string&>().empty()) texts.push_back(example[0]);
  }
  return texts;
}

// `count` of [0, total), ascending. The same everywhere: the standard's distributions are not.
std::vector<std::size_t> choose(std::size_t count, std::size_t total, std::uint64_t seed) {
  std::vector<std::size_t> order(total);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::mt19937_64 random(seed);
  for (std::size_t i = 0; i < count; ++i) std::swap(order[i], order[i + random() % (total - i)]);
  order.resize(count);
  std::sort(order.begin(), order.end());
  return order;
}

}  // namespace

std::vector<std::string> read_calibration_texts(const fs::path& file, std::size_t samples, std::uint64_t seed) {
  std::vector<std::string> texts = file.extension() == ".json" ? read_clinc150(file) : read_lines(file);
  if (texts.empty()) throw Error(file.string() + ": expected texts to calibrate on, found none");
  std::vector<std::string> chosen;
  for (const std::size_t i : choose(std::min(samples, texts.size()), texts.size(), seed)) {
    chosen.push_back(std::move(texts[i]));
  }
  return chosen;
}

}  // namespace sesame::models
