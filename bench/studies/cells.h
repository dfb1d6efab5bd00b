// What the studies' tables have in common.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/report.h"
#include "bench/studies/study.h"

namespace sesame::bench {

// "<CPU>, this machine".
std::string this_machine(const Machine& machine);

// "onnxruntime int8 qdq": engine, precision and format.
std::string engine_name(const Result& result);

// The result of the same engine, or of another, in this precision and format with otherwise the same configuration;
// null when there is none.
const Result* find_result(const std::vector<Result>& results, const std::string& engine, const std::string& precision,
                          const std::string& format);

// A metric as the study prints it: "90.71 %" with digits after the point; empty for none.
std::string percent_cell(const std::optional<double>& share, int digits);

}  // namespace sesame::bench
