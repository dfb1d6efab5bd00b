#include "tools/quantize_summary.h"

#include <cstdio>
#include <set>
#include <string_view>
#include <system_error>

#include "models/calibration_texts.h"

namespace sesame::tools {
namespace {

namespace fs = std::filesystem;

// Fewer different texts than this say little about the ranges of activations.
constexpr std::size_t kFewTexts = 16;

std::string size(double bytes) {
  return bytes < 0x1p20 ? bench::fixed(bytes / 0x1p10, 1) + " KiB" : bench::fixed(bytes / 0x1p20, 1) + " MiB";
}

// Of the model's file and its external data.
double file_bytes(const fs::path& file) {
  double bytes = 0;
  for (const fs::path& each : {file, fs::path(file.string() + ".data")}) {
    std::error_code none;
    const auto more = fs::file_size(each, none);
    if (!none) bytes += static_cast<double>(more);
  }
  return bytes;
}

}  // namespace

std::vector<std::string> calibration_texts(const std::string& file, std::size_t samples, std::uint64_t seed) {
  auto texts = models::read_calibration_texts(file, samples, seed);
  const std::size_t different = std::set<std::string_view>(texts.begin(), texts.end()).size();
  if (different < texts.size() / 2 || different < kFewTexts) {
    std::printf("warning: %s: %zu texts to calibrate on, %zu of them different: ranges may be too narrow\n",
                file.c_str(), texts.size(), different);
  }
  return texts;
}

std::string size_line(const LoadedModel& before, const LoadedModel& after) {
  return size(file_bytes(before.onnx_file)) + " -> " + size(file_bytes(after.onnx_file)) + " as files, " +
         size(static_cast<double>(before.weight_bytes)) + " -> " + size(static_cast<double>(after.weight_bytes)) +
         " in memory";
}

Measured::Measured(const MeasureOptions& options, const std::shared_ptr<const Model>& fp32, ProgressBar& bar)
    : yardstick_(options.data, fp32->loaded(), options.task, options.threads),
      fp32_(yardstick_.answers(fp32, [&](double share) { bar.show("measuring fp32", share); })) {
  bar.clear();
}

std::string Measured::compare(const std::shared_ptr<const Model>& int8, ProgressBar& bar) const {
  const auto answers = yardstick_.answers(int8, [&](double share) { bar.show("measuring int8", share); });
  bar.clear();
  return bench::compare_line(yardstick_.task(), fp32_, answers);
}

}  // namespace sesame::tools
