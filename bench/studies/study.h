// Published studies, measured again on this machine in the columns in which they were published.
//
// A study is one file here with one function. It makes what it needs (a quantized file, say, in a ModelCopy), asks
// bench::run() for its configurations, and lays the results out as rows; the published rows come from
// published_rows(). It is listed in studies().
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/bench.h"
#include "bench/report.h"
#include "bench/table.h"

namespace sesame::bench {

// What the user said; what is absent is the study's own choice, as published.
struct StudyOptions {
  std::filesystem::path model;                       // a fp32 model
  std::optional<std::filesystem::path> data;         // labelled: adds accuracy
  std::optional<std::filesystem::path> calibration;  // texts for static quantization; absent: the first of `data`
  std::optional<int> threads;                        // cores of an instance
  std::optional<int> instances;
  std::optional<Timing> timing;
  std::function<bool()> stopped = [] { return false; };
  Peers peers;  // the engines beside ours
};

struct StudyReport {
  std::string title;               // what was measured, and by whom it was published
  Table table;                     // this machine's rows first, then the published ones; the column "machine" names it
  std::vector<std::string> notes;  // what differs from the published conditions, one line each
  std::vector<Result> results;     // behind this machine's rows, for the JSON report
};

struct Study {
  const char* name;
  const char* summary;
  StudyReport (*run)(const StudyOptions& options, const Machine& machine, const Progress& progress);
};

std::span<const Study> studies();

// Throws Error that lists the names when there is none of this name.
const Study& find_study(std::string_view name);

// The rows of bench/studies/<name>.csv below its heading, which is the first. Requires one of the files there.
std::vector<std::vector<std::string>> published_rows(std::string_view name);

// The study's choice of threads as far as the machine goes: min(published, physical cores), with a note where they
// differ.
int study_threads(const StudyOptions& options, const Machine& machine, int published, std::vector<std::string>& notes);

// The published length as far as the model takes it.
std::size_t study_length(const StudyOptions& options, std::size_t published);

}  // namespace sesame::bench
