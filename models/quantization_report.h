// What quantization did to each tensor of a model.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "models/calibration.h"
#include "models/quantization.h"

namespace sesame::models {

enum class ReportedTensor { rows, weight, table };

struct TensorReport {
  std::string tensor;  // the Linears that read the rows, or the one whose weight it is
  ReportedTensor kind = ReportedTensor::rows;
  bool is_quantized = true;
  engine::Range range = {};  // of the values seen
  double clipped = 0;        // share of them beyond the grid's ends
  double snr = 0;            // signal to noise in decibels; infinity where nothing was rounded
};

// Rows of every quantized group over the texts, weights, and embedding tables. The rows' noise is measured on a sample
// of them.
std::vector<TensorReport> report_tensors(const SourceModel& source, const QuantizedGraph& quantized,
                                         std::span<const std::string> texts, const CalibrationProgress& progress);

// As a table for people.
std::string to_table(std::span<const TensorReport> tensors);

}  // namespace sesame::models
