// A float model as an int8 one: which choices there are, and the graph that they make.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/graph.h"
#include "engine/linear_scheme.h"
#include "engine/quantizer/calibration.h"
#include "engine/quantizer/embeddings.h"
#include "engine/quantizer/schemes.h"
#include "models/calibration.h"
#include "models/loading.h"

namespace sesame::models {

struct QuantizeOptions {
  engine::RowGrid rows = engine::RowGrid::per_row;  // fixed needs texts to calibrate with
  kernels::WeightGrid weights;
  bool heads = false;       // pooler and classifier too
  bool embeddings = false;  // engine/quantizer/embeddings.h
  bool equalize = true;     // models/equalization.h
  bool smooth = false;      // engine/quantizer/smooth.h; needs texts
  AttentionPrecision attention = AttentionPrecision::int8;
  engine::CalibrationOptions calibration;
};

struct QuantizedGraph {
  engine::Graph graph;                          // normal forms, with a scheme on each quantized Linear
  std::vector<engine::LinearGroup> groups;      // that were quantized
  std::vector<engine::QuantizedTable> tables;   // likewise
  std::map<std::string, engine::Range> ranges;  // of the groups' inputs where they were calibrated
  std::map<std::string, float> alphas;          // of the groups that were smoothed
};

// Throws Error: a weight or activation that is no number, no text where one is needed.
QuantizedGraph quantize(const SourceModel& source, const QuantizeOptions& options, std::span<const std::string> texts,
                        const CalibrationProgress& progress);

// The quantized model in memory, and written as a packed one.
std::shared_ptr<const LoadedModel> load_quantized(const SourceModel& source, const QuantizedGraph& quantized,
                                                  AttentionPrecision attention);
void write_quantized(const SourceModel& source, const QuantizedGraph& quantized, const QuantizeOptions& options,
                     const std::filesystem::path& to);

}  // namespace sesame::models
