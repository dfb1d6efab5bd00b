// The part of `sesame quantize` that makes packed models for Sesame itself.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "models/quantization.h"
#include "tools/quantize_summary.h"

namespace sesame::tools {

struct PackedOptions {
  models::QuantizeOptions quantize;
  bool is_static = false;
  bool per_tensor_rows = false;
  std::string exclude_nodes;
  std::optional<double> max_drop;
  MeasureOptions measure;
  bool report = false;
};

void add_packed_options(CLI::App& command, PackedOptions& options);

// Quantizes `model`, with these texts to calibrate on (none: dynamic), and writes `out`. Throws UsageError where
// options do not go together.
int run_quantize_packed(const std::string& model, const std::string& out, const std::vector<std::string>& texts,
                        PackedOptions options);

}  // namespace sesame::tools
