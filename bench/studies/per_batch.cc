// Time a sample by batch size, with peak memory and F1: a model optimisation benchmark of BERT on IMDB.
#include "bench/studies/cells.h"
#include "bench/studies/list.h"

namespace sesame::bench {
namespace {

constexpr std::size_t kBatches[] = {1, 16, 32, 64};

// One row for each engine and precision; its batches follow one another in the grid's order.
void add_rows(const std::vector<Result>& results, const Machine& machine, Table& table) {
  for (const Result& first : results) {
    if (first.batch != kBatches[0]) continue;
    std::vector<std::string> row = {engine_name(first), this_machine(machine)};
    double peak = 0;
    for (const std::size_t batch : kBatches) {
      for (const Result& each : results) {
        if (each.engine != first.engine || each.precision != first.precision || each.format != first.format ||
            each.batch != batch)
          continue;
        row.push_back(fixed(1000 / each.samples_per_s, 3));
        peak = std::max(peak, each.peak_rss_mib.value_or(0));
      }
    }
    row.push_back(peak > 0 ? fixed(peak, 1) : "");
    const Metric* f1 = find_metric(first.metrics, "f1");
    row.push_back(f1 ? fixed(f1->value, 3) : "");
    row.push_back(first.accuracy ? fixed(*first.accuracy, 3) : "");
    table.rows.push_back(std::move(row));
  }
}

}  // namespace

StudyReport per_batch_study(const StudyOptions& options, const Machine& machine, const Progress& progress) {
  StudyReport report;
  report.title = "Time a sample by batch size (published: BERT on IMDB)";
  report.table = {.columns = {"engine", "machine", "ms/sample b1", "b16", "b32", "b64", "peak MiB", "F1", "accuracy"},
                  .rows = {},
                  .left = 2};
  Options grid;
  grid.models = {options.model};
  grid.precisions = {Precision::fp32, Precision::int8};
  grid.batches.assign(std::begin(kBatches), std::end(kBatches));
  grid.lengths = {study_length(options, 128)};
  grid.threads = {study_threads(options, machine, machine.cores, report.notes)};
  grid.timing = options.timing.value_or(Timing{.warmup = 3, .runs = 20, .seconds = 0});
  grid.data = options.data;
  grid.peers = options.peers;
  grid.stopped = options.stopped;
  report.results = run(grid, progress).results;
  add_rows(report.results, machine, report.table);
  for (const auto& row : published_rows("per_batch_bert")) {
    report.table.rows.push_back({row[0], "published", row[1], row[2], row[3], row[4], "", row[5], ""});
  }
  report.notes.emplace_back("the published run names neither its length nor its threads; here " +
                            std::to_string(grid.lengths[0]) + " tokens, threads " + std::to_string(grid.threads[0]));
  return report;
}

}  // namespace sesame::bench
