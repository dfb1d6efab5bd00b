// Conformance cases in ONNX's own layout: a folder with model.onnx and test_data_set_N/{input,output}_I.pb.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "sesame/sesame.h"

namespace sesame::tools {

struct ConformanceOptions {
  Precision precision = Precision::automatic;
  AttentionPrecision attention = AttentionPrecision::automatic;
  int threads = 1;
  // Absent: 1e-5, and 1e-4 or, when the graph has a quantizing operator or float16 or runs in bf16 or int8, 2e-2.
  std::optional<double> absolute;
  std::optional<double> relative;
};

struct CaseResult {
  std::filesystem::path folder;
  bool passed = false;
  std::string reason = {};  // of a failure, one line
  int data_sets = 0;        // compared; 0 for a case that was run on made-up inputs only
  double worst_error = 0;   // |got - want| of the element that came nearest to failing, or failed
  double allowed = 0;       // for that element
  std::string place = {};   // of it: data set, output, element
};

// The folders at or below `root` that hold a model.onnx, sorted; links to folders are followed, each folder counts
// once. Throws Error when `root` is no folder or one below it can't be read.
std::vector<std::filesystem::path> find_cases(const std::filesystem::path& root);

// Loads the case's model and compares its outputs with every data set; without data sets, runs it once on made-up
// inputs: dynamic axes 1 (the first) and 8, masks 1, everything else 0. Every position is computed, masked ones too.
// Never throws: what goes wrong is the result's reason.
CaseResult run_case(const std::filesystem::path& folder, const ConformanceOptions& options);

}  // namespace sesame::tools
