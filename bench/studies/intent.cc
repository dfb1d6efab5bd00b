// The intent study: size, latency of one query from text to answer, and accuracy on CLINC150 "plus".
#include "bench/studies/cells.h"
#include "bench/studies/list.h"

namespace sesame::bench {
namespace {

constexpr const char* kQuery = "What is the pin number for my account?";

std::vector<std::string> row(const Result& result, const std::string& machine) {
  const double mb = size_mib(result) * 0x1p20 / 1e6;
  return {engine_name(result),
          machine,
          fixed(mb, 2),
          fixed(result.latency_ms.mean, 3),
          fixed(result.latency_ms.std, 3),
          result.accuracy ? fixed(*result.accuracy, 4) : "",
          result.accuracy_in_scope ? fixed(*result.accuracy_in_scope, 4) : ""};
}

}  // namespace

StudyReport intent_study(const StudyOptions& options, const Machine& machine, const Progress& progress) {
  StudyReport report;
  report.title =
      "Intent detection: size, latency and accuracy (published: a study of compression on CLINC150 \"plus\")";
  report.table = {
      .columns = {"variant", "machine", "size MB", "mean ms", "std ms", "accuracy", "in scope"}, .rows = {}, .left = 2};
  Options grid;
  grid.models = {options.model};
  grid.precisions = {Precision::fp32, Precision::int8};
  grid.threads = {options.threads.value_or(1)};
  grid.text = true;
  grid.texts = {kQuery};
  grid.data = options.data;
  grid.peers = options.peers;
  grid.stopped = options.stopped;
  grid.timing = options.timing.value_or(Timing{.warmup = 10, .runs = 100, .seconds = 0});
  report.results = run(grid, progress).results;
  for (const Result& each : report.results) report.table.rows.push_back(row(each, this_machine(machine)));
  for (const auto& each : published_rows("intent_study")) {
    report.table.rows.push_back({each[0], "published, machine not named", each[1], each[2], each[3], each[4], ""});
  }
  report.notes.push_back("the query \"" + std::string(kQuery) + "\", threads " + std::to_string(grid.threads[0]) +
                         "; tokenizing is part of our time and not of the peers'; the size is that of the peers' file, "
                         "and of our packed weights");
  if (!options.data) report.notes.emplace_back("accuracy needs --data data_oos_plus.json");
  return report;
}

}  // namespace sesame::bench
