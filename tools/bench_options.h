// The options of `sesame bench`.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "bench/bench.h"
#include "tools/report_files.h"

namespace sesame::tools {

struct BenchOptions {
  bench::Options grid;  // but for what stands as text below
  std::vector<std::string> models;
  std::vector<std::string> precisions = {"auto"};
  std::vector<std::string> peers;
  std::string data;
  std::string calibration;
  std::string study;
  ReportFiles files;
  bool profile = false;
  // Whether the user gave them: a study has values of its own.
  bool has_timing = false;
  bool has_threads = false;
  bool has_instances = false;
};

void add_bench_options(CLI::App& command, BenchOptions& options);

// Takes over what stands as text into the grid.
void finish(BenchOptions& options);

}  // namespace sesame::tools
