// What `sesame quantize` says of its input and of what it made.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "bench/task_yardstick.h"
#include "tools/progress_bar.h"

namespace sesame::tools {

// The labelled data that a quantized model is measured on.
struct MeasureOptions {
  std::string data;
  bench::TaskKind task = bench::TaskKind::automatic;
  int threads = 1;
};

// Texts to calibrate on, `samples` of the file's. Prints a warning where they hardly differ, or are very few. Throws
// Error.
std::vector<std::string> calibration_texts(const std::string& file, std::size_t samples, std::uint64_t seed);

// "15.5 MiB -> 4.4 MiB in files, 15.5 MiB -> 4.7 MiB in memory": the models with what belongs to them.
std::string size_line(const LoadedModel& before, const LoadedModel& after);

// The labelled data, and the float model's answers to it: asked for before anything is written, so that data which does
// not fit the model is found out in time.
class Measured {
 public:
  Measured(const MeasureOptions& options, const std::shared_ptr<const Model>& fp32, ProgressBar& bar);

  const bench::TaskYardstick& yardstick() const { return yardstick_; }
  // One line: how the quantized model's answers compare.
  std::string compare(const std::shared_ptr<const Model>& int8, ProgressBar& bar) const;

 private:
  bench::TaskYardstick yardstick_;
  bench::Answers fp32_;
};

}  // namespace sesame::tools
