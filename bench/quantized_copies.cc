#include "bench/quantized_copies.h"

#include "models/calibration.h"
#include "models/calibration_texts.h"
#include "models/quantize_onnx.h"
#include "sesame/error.h"

namespace sesame::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSamples = 128;  // as the published studies take
constexpr std::uint64_t kSeed = 0;

}  // namespace

const fs::path& QuantizedCopies::folder(const std::string& form) {
  const auto known = folders_.find(form);
  if (known != folders_.end()) return known->second;
  if (!root_) root_.emplace("sesame-bench-");
  engine::OnnxFormOptions options;
  options.form = engine::parse_onnx_form(form);
  const fs::path folder = root_->path() / form;
  if (engine::needs_ranges(options.form) && !texts_) {
    throw Error("--forms " + form + ": expected texts to calibrate on, with --calibration or --data");
  }
  models::quantize_to_onnx(model_, folder, options, [&](const auto& graph, const auto& values) {
    const auto texts = models::read_calibration_texts(*texts_, kSamples, kSeed);
    return models::observe_values(model_, graph, values, texts, {}).ranges();
  });
  return folders_.emplace(form, folder).first->second;
}

}  // namespace sesame::bench
