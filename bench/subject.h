// A model of ours in memory, as the bench sees it.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "sesame/sesame.h"

namespace sesame::bench {

struct Subject {
  std::string path;  // as the user gave it
  std::shared_ptr<const Model> model;
  ModelOptions options;
  double load_ms = 0;
  std::optional<double> peak_mib;  // of the process while loading

  std::string precision() const { return std::string(name(model->precision())); }
};

Subject load_subject(const std::filesystem::path& path, const ModelOptions& options);

// A graph that scales its activations by the maximum over the whole batch brings answers that depend on the batch.
bool answers_depend_on_batch(const LoadedModel& model);

// Whether the file itself holds quantized weights.
bool is_quantized_file(const LoadedModel& model);

}  // namespace sesame::bench
