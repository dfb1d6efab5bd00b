// Intel Neural Compressor's lists of validated models: int8 beside fp32, accuracy and throughput, batch 1; the newer
// one with as many instances of 4 cores as a socket has, the older one with a single instance.
#include <algorithm>

#include "bench/studies/cells.h"
#include "bench/studies/list.h"

namespace sesame::bench {
namespace {

constexpr int kPublishedCores = 4;

// What tells the two lists apart.
struct List {
  const char* title;
  const char* published;  // how the column "list" begins
  int instances;
  std::vector<std::string> forms;
};

std::string relative(double int8, double fp32) {
  return fp32 == 0 ? std::string() : fixed((int8 - fp32) / fp32 * 100, 2) + " %";
}

// int8 of one engine in one format beside its fp32.
std::vector<std::string> row(const Result& int8, const Result& fp32, const std::string& machine) {
  const bool has_accuracy = int8.accuracy && fp32.accuracy;
  return {int8.engine == "sesame" ? "sesame" : int8.engine + " " + int8.version,
          int8.model,
          int8.format.empty() ? "its own int8" : int8.format,
          machine,
          percent_cell(int8.accuracy, 2),
          percent_cell(fp32.accuracy, 2),
          has_accuracy ? relative(*int8.accuracy, *fp32.accuracy) : "",
          fixed(int8.samples_per_s, 2),
          fixed(fp32.samples_per_s, 2),
          fixed(int8.samples_per_s / fp32.samples_per_s, 2) + "x"};
}

void add_published(const List& list, Table& table) {
  for (const auto& each : published_rows("neural_compressor")) {
    if (!each[0].starts_with(list.published)) continue;
    table.rows.push_back({each[1], each[2], each[3], each[0], each[4], each[5], each[6], each[7], each[8], each[9]});
  }
}

// What the machine allows: all its cores, 4 to an instance as far as there are 4.
void choose_instances(const StudyOptions& options, const Machine& machine, const List& list, Options& grid,
                      StudyReport& report) {
  const int cores = study_threads(options, machine, kPublishedCores, report.notes);
  const int instances = options.instances.value_or(std::clamp(machine.cores / cores, 1, list.instances));
  grid.cores = cores;
  grid.instances = {instances};
  report.notes.push_back("here " + std::to_string(instances) + (instances == 1 ? " instance" : " instances") + " of " +
                         std::to_string(cores) + (cores == 1 ? " core" : " cores") + ", pinned, batch 1, 128 tokens");
}

StudyReport run_list(const List& list, const StudyOptions& options, const Machine& machine, const Progress& progress) {
  StudyReport report;
  report.title = list.title;
  report.table = {.columns = {"engine", "model", "format", "machine", "int8 accuracy", "fp32 accuracy", "relative",
                              "int8 samples/s", "fp32 samples/s", "ratio"},
                  .rows = {},
                  .left = 4};
  Options grid;
  grid.models = {options.model};
  grid.precisions = {Precision::fp32, Precision::int8};
  grid.lengths = {study_length(options, 128)};
  grid.data = options.data;
  grid.calibration = options.calibration;
  grid.peers = options.peers;
  grid.peers.forms = list.forms;
  grid.stopped = options.stopped;
  grid.timing = options.timing.value_or(Timing{.warmup = 3, .runs = 100, .seconds = 5});
  choose_instances(options, machine, list, grid, report);
  report.results = run(grid, progress).results;
  for (const Result& each : report.results) {
    const Result* const fp32 = find_result(report.results, each.engine, "fp32", "");
    if (each.precision == "int8" && fp32 != nullptr)
      report.table.rows.push_back(row(each, *fp32, this_machine(machine)));
  }
  add_published(list, report.table);
  return report;
}

}  // namespace

StudyReport neural_compressor_study(const StudyOptions& options, const Machine& machine, const Progress& progress) {
  const List list{"int8 and fp32 by format, all cores in instances of 4 (published: Intel Neural Compressor, 2023)",
                  "Xeon 8480+",
                  14,
                  {"integerops", "qdq", "qoperator"}};
  return run_list(list, options, machine, progress);
}

StudyReport neural_compressor_2021_study(const StudyOptions& options, const Machine& machine,
                                         const Progress& progress) {
  const List list{"int8, dynamic and static, one instance of 4 cores (published: Intel Neural Compressor, 2021)",
                  "CLX8280",
                  1,
                  {"integerops", "qdq"}};
  return run_list(list, options, machine, progress);
}

}  // namespace sesame::bench
