#include "bench/bench.h"

#include <algorithm>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>

#include "bench/affinity.h"
#include "bench/conditions.h"
#include "bench/linears.h"
#include "bench/machine.h"
#include "bench/profile.h"
#include "bench/report.h"
#include "bench/studies/study.h"
#include "bench/workload.h"
#include "models/model.h"
#include "tools/bench_options.h"
#include "tools/commands.h"
#include "tools/interrupt.h"
#include "tools/process.h"
#include "tools/progress_bar.h"

namespace sesame::tools {
namespace {

// Of the first batch size, length and thread count.
std::vector<bench::ProfileReport> make_profiles(const bench::Options& grid) {
  std::vector<bench::ProfileReport> profiles;
  for (const auto& path : grid.models) {
    for (const Precision precision : grid.precisions) {
      const auto model = Model::load(path, {.precision = precision, .attention = grid.attention});
      const std::size_t usual = model->max_tokens() == 0 ? 128 : std::min<std::size_t>(128, model->max_tokens());
      const std::size_t length = grid.lengths.empty() ? usual : grid.lengths[0];
      const auto workload = bench::fixed_length(model->loaded(), grid.batches[0], length);
      const auto runs = std::max(1, grid.timing.runs);
      const auto& batch = workload.batches[0];
      profiles.push_back({.what = path.string() + " " + std::string(name(model->precision())) + ", batch " +
                                  std::to_string(grid.batches[0]) + ", " + std::to_string(length) +
                                  " tokens, threads " + std::to_string(grid.threads[0]),
                          .steps = bench::profile(model->loaded(), batch, grid.threads[0], runs)});
      if (grid.threads[0] == 1 && bench::has_encoder(model->loaded())) {
        profiles.back().note = bench::to_line(bench::time_linears(model->loaded(), batch, runs));
      }
    }
  }
  return profiles;
}

bench::Report start_report(const BenchOptions& options) {
  bench::Report report{.machine = bench::describe_machine(), .peaks = bench::measure_peaks(), .results = {}};
  report.provenance = bench::describe_provenance(command_line(), options.grid.models);
  const int threads = options.grid.cores.value_or(std::ranges::max(options.grid.threads));
  report.warnings =
      bench::machine_warnings("", bench::allowed_cpus(), threads * std::ranges::max(options.grid.instances));
  return report;
}

void print(const bench::Report& report) {
  std::cout << bench::machine_text(report.machine, report.peaks) << '\n' << bench::to_table(report.results);
  for (const std::string& each : report.warnings) std::cout << "warning: " << each << '\n';
  if (report.is_partial) std::cout << "partial: stopped before its end\n";
  for (const auto& each : report.profiles)
    std::cout << '\n' << each.what << '\n' << bench::to_table(each.steps) << each.note;
}

void print(const bench::Report& report, const bench::StudyReport& study) {
  std::cout << bench::machine_text(report.machine, report.peaks) << '\n'
            << study.title << "\n\n"
            << bench::to_text(study.table);
  for (const std::string& each : study.notes) std::cout << "note: " << each << '\n';
}

bench::StudyReport run_study(const BenchOptions& options, const bench::Report& report,
                             const bench::Progress& progress) {
  const bench::Options& grid = options.grid;
  bench::StudyOptions study{.model = grid.models[0],
                            .data = grid.data,
                            .calibration = {},
                            .threads = {},
                            .instances = {},
                            .timing = {},
                            .peers = grid.peers};
  if (!options.calibration.empty()) study.calibration = options.calibration;
  if (options.has_threads) study.threads = grid.cores.value_or(grid.threads[0]);
  if (options.has_instances) study.instances = grid.instances[0];
  if (options.has_timing) study.timing = grid.timing;
  study.stopped = was_interrupted;
  return bench::find_study(options.study).run(study, report.machine, progress);
}

int run_bench(BenchOptions options) {
  finish(options);
  if (!options.study.empty()) bench::find_study(options.study);  // refuses an unknown name before the long part
  check_writable(options.files);
  options.grid.stopped = was_interrupted;
  stop_on_interrupt();

  bench::Report report = start_report(options);
  const bool quiet = options.files.json_to_stdout();
  ProgressBar bar;
  const bench::Progress progress = [&](const auto& what, double share) { bar.show(what, share); };
  if (options.study.empty()) {
    auto outcome = bench::run(options.grid, progress);
    report.results = std::move(outcome.results);
    std::ranges::move(outcome.warnings, std::back_inserter(report.warnings));
    report.is_partial = outcome.is_partial;
    if (options.profile && !report.is_partial) report.profiles = make_profiles(options.grid);
    bar.clear();
    if (!quiet) print(report);
  } else {
    auto study = run_study(options, report, progress);
    bar.clear();
    report.results = study.results;
    report.is_partial = was_interrupted();
    if (!quiet) print(report, study);
    report.studies.push_back({study.title, study.table, study.notes});
  }
  write_report(options.files, report);
  return 0;
}

}  // namespace

void add_bench_command(CLI::App& app, Command& chosen) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command = app.add_subcommand("bench", "Time models, accuracy and memory beside the speed");
  add_bench_options(*command, *options);
  command->callback([options, command, &chosen] {
    options->has_timing = command->count("--runs") + command->count("--seconds") > 0;
    options->has_threads = command->count("--threads") + command->count("--cores") > 0;
    options->has_instances = command->count("--instances") > 0;
    chosen = [options] { return run_bench(*options); };
  });
}

}  // namespace sesame::tools
