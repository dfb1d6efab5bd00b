#include "bench/subject.h"

#include <algorithm>

#include "bench/latency.h"
#include "bench/memory.h"
#include "models/model.h"

namespace sesame::bench {
namespace {

bool has_operator(const LoadedModel& model, std::string_view part) {
  return std::ranges::any_of(model.source.operators,
                             [&](const auto& each) { return each.first.find(part) != std::string::npos; });
}

}  // namespace

Subject load_subject(const std::filesystem::path& path, const ModelOptions& options) {
  Subject subject{.path = path.string(), .model = nullptr, .options = options, .load_ms = 0, .peak_mib = {}};
  forget_peak();
  subject.load_ms = time_once([&] { subject.model = Model::load(path, options); });
  subject.peak_mib = peak_resident_mib();
  return subject;
}

bool answers_depend_on_batch(const LoadedModel& model) {
  return model.depends_on_batch || has_operator(model, "DynamicQuantize");
}

bool is_quantized_file(const LoadedModel& model) {
  return has_operator(model, "Quantize") || has_operator(model, "Integer") || has_operator(model, "QLinear");
}

}  // namespace sesame::bench
