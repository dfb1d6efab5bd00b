// What a bench found, as a table for people and as JSON for programs.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/latency.h"
#include "bench/machine.h"
#include "bench/provenance.h"
#include "bench/statistics.h"
#include "bench/table.h"

namespace sesame::bench {

struct Metric {
  std::string name;  // "accuracy", "f1", "matthews", ...
  double value = 0;  // 1 at best
};

// Null when there is none of this name.
const Metric* find_metric(const std::vector<Metric>& metrics, std::string_view name);

// One configuration. A sample is a text, a run is one call with `batch` of them.
struct Result {
  std::string model;  // as given
  std::string engine = "sesame";
  std::string version;  // of the engine
  std::string precision;
  std::string format;  // of the peer's quantized file: "integerops", "qdq", "qoperator"; else empty
  std::string isa;     // empty where the engine does not tell
  std::size_t batch = 1;
  std::optional<std::size_t> length;  // tokens of each sample, special ones included; absent for real text
  int threads = 1;                    // of an instance
  int instances = 1;                  // that run at the same time
  std::vector<int> cpus;              // that they are pinned to; empty: not pinned
  std::optional<double> rate;         // requests a second that arrive, Poisson; latencies include the waiting
  std::size_t runs = 0;
  Latency latency_ms;  // of a run
  double samples_per_s = 0;
  double tokens_per_s = 0;              // real tokens
  std::optional<double> tokens;         // real ones of a run on average, for text
  std::optional<double> padded_tokens;  // the same when each batch is padded to its longest
  std::optional<double> gmacs;          // 10^9 multiply-adds that we execute in a run, real tokens
  std::optional<double> gmacs_per_s;
  std::optional<double> peak_gmacs;  // of one core for this precision, measured in turn with the runs
  std::optional<double> peak_share;  // gmacs_per_s / (threads * instances * peak_gmacs)
  std::optional<double> model_mib;   // weights and tables as the engine keeps them
  std::optional<double> file_mib;    // of the .onnx file that the engine was given
  std::optional<double> peak_rss_mib;
  double load_ms = 0;
  std::vector<Metric> metrics;              // of the task that --data brings, the task's own first
  std::optional<double> accuracy;           // share of the labelled texts answered with their label
  std::optional<double> accuracy_in_scope;  // the same without the texts labelled "oos"
  std::optional<double> agreement;          // share of the texts with the same answer as in fp32
  std::optional<Ratio> time_over_ours;      // of a peer: its time / ours, in turns, with the 95 % interval
};

// What a model takes to be shipped: our packed weights, or the file that a peer was given. 0 where neither is known.
double size_mib(const Result& result);

struct StepProfile {
  std::string step;         // operator, node and phase
  double milliseconds = 0;  // median over the runs
  double share = 0;         // of the sum over all steps
};

struct ProfileReport {
  std::string what;  // model, precision, batch, length, threads
  std::vector<StepProfile> steps;
  std::string note = {};  // a line for people, or empty
};

// A published study measured again: studies/study.h.
struct StudySection {
  std::string title;
  Table table;
  std::vector<std::string> notes;
};

struct Report {
  Machine machine;
  Peaks peaks;
  std::vector<Result> results;
  std::vector<std::string> warnings = {};  // what would mislead a reader
  bool is_partial = false;                 // stopped before its end
  Provenance provenance = {};
  std::vector<ProfileReport> profiles = {};
  std::vector<StudySection> studies = {};
};

// {"schema": 1, "machine": {..., "peak_gmacs": {...}}, "results": [...]}, field names as above; null where absent.
std::string to_json(const Report& report);

// The machine in three lines, and what it can do at best.
std::string machine_text(const Machine& machine, const Peaks& peaks);
// {"cpu", "cores", ..., "peak_gmacs": {"fp32", "bf16", "int8"}, "memory_read_gb_per_s"}
std::string machine_json(const Machine& machine, const Peaks& peaks);

// {"schema": 1, ...} is described field by field in bench/README.md.

// Machine, warnings and results for a page of text: Markdown.
std::string to_markdown(const Report& report);

// One page with everything in it, pictures too: tables, charts (charts/report_charts.h), and how it was made.
std::string to_html(const Report& report);

// How the figures were made: commit, versions, models with their hashes, threads and affinity, the command.
Table provenance_table(const Report& report);

// A row a result. Columns that no result fills are left out, and those that may vary where all say the same.
Table result_table(const std::vector<Result>& results);

// One line a result under a heading. Columns that no result fills are left out, and engine and isa where all say the
// same.
std::string to_table(const std::vector<Result>& results);

// Rows of cells as aligned columns, two blanks apart: the first `left` of them flush left, the others right.
std::string align_columns(const std::vector<std::vector<std::string>>& rows, std::size_t left);

// x with this many digits after the point.
std::string fixed(double x, int digits);

}  // namespace sesame::bench
