#include "bench/bench.h"

#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "bench/machine.h"
#include "bench/profile.h"
#include "bench/report.h"
#include "bench/workload.h"
#include "models/model.h"
#include "tools/commands.h"
#include "tools/options.h"
#include "tools/progress_bar.h"

namespace sesame::tools {
namespace {

struct BenchOptions {
  bench::Options grid;
  std::vector<std::string> models;
  std::vector<std::string> precisions = {"auto"};
  std::vector<std::string> peers;
  std::string data;
  std::string json;
  bool profile = false;
};

constexpr const char* kExamples =
    "Times every combination of the comma-separated values, checks the answers first, and prints a table. Lengths "
    "count\n"
    "special tokens. \"of peak\" is the share of what the cores could do at best, over the multiply-adds executed.\n\n"
    "Examples:\n"
    "  sesame bench models/intent --precision fp32,int8 --data models/intent/eval.tsv\n"
    "  sesame bench d --precision fp32,int8 --batch 1,8 --length 32,128 --threads 1,2 --json d.json\n"
    "  sesame bench models/intent --precision int8 --text --seconds 15\n"
    "  sesame bench d --precision int8 --length 128 --profile\n";

constexpr const char* kStandardOutput = "-";

void write_json(const std::string& file, const std::string& json) {
  if (file == kStandardOutput) {
    std::cout << json << '\n';
    return;
  }
  std::ofstream out(file, std::ios::binary);
  out << json << '\n';
  out.close();
  if (!out) throw Error(file + ": could not be written");
}

// Before a long run rather than after it.
void check_writable(const std::string& file) {
  if (file.empty() || file == kStandardOutput) return;
  const bool existed = std::filesystem::exists(file);
  const bool opened = std::ofstream(file, std::ios::binary | std::ios::app).is_open();
  if (!opened) throw Error(file + ": could not be written");
  if (!existed) std::filesystem::remove(file);
}

// Of the first batch size, length and thread count.
void print_profiles(const bench::Options& grid) {
  for (const auto& path : grid.models) {
    for (const Precision precision : grid.precisions) {
      const auto model = Model::load(path, {.precision = precision, .attention = grid.attention});
      const std::size_t usual = model->max_tokens() == 0 ? 128 : std::min<std::size_t>(128, model->max_tokens());
      const std::size_t length = grid.lengths.empty() ? usual : grid.lengths[0];
      const auto workload = bench::fixed_length(model->loaded(), grid.batches[0], length);
      const auto steps =
          bench::profile(model->loaded(), workload.batches[0], grid.threads[0], std::max(1, grid.timing.runs));
      std::cout << '\n'
                << path.string() << ' ' << name(model->precision()) << ", batch " << grid.batches[0] << ", " << length
                << " tokens, threads " << grid.threads[0] << '\n'
                << bench::to_table(steps);
    }
  }
}

int run_bench(BenchOptions options) {
  bench::Options& grid = options.grid;
  grid.models.assign(options.models.begin(), options.models.end());
  grid.precisions.clear();
  for (const std::string& each : options.precisions) grid.precisions.push_back(parse_precision(each));
  if (!options.data.empty()) grid.data = options.data;
  for (const std::string& each : options.peers) {
    (each == "sesame" ? grid.peers.sesame : grid.peers.onnxruntime) = true;
  }
  check_writable(options.json);

  bench::Report report{.machine = bench::describe_machine(), .peaks = bench::measure_peaks(), .results = {}};
  ProgressBar bar;
  auto outcome = bench::run(grid, report.peaks, [&](const auto& what, double share) { bar.show(what, share); });
  bar.clear();
  report.results = std::move(outcome.results);
  report.warnings = std::move(outcome.warnings);
  report.is_partial = outcome.is_partial;

  if (options.json != kStandardOutput) {
    std::cout << bench::machine_text(report.machine, report.peaks) << '\n' << bench::to_table(report.results);
    for (const std::string& each : report.warnings) std::cout << "warning: " << each << '\n';
    std::cout.flush();
  }
  if (!options.json.empty()) write_json(options.json, bench::to_json(report));
  if (options.profile) print_profiles(grid);
  return 0;
}

void add_grid(CLI::App& command, BenchOptions& options) {
  bench::Options& grid = options.grid;
  command.add_option("--precision", options.precisions, "fp32, int8, or auto: what the file holds")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(precision_validator())
      ->type_name("NAME,...");
  add_attention(command, grid.attention);
  add_list(command, "--batch", grid.batches, "Texts of one call (1)", std::size_t{4096});
  add_list(command, "--length", grid.lengths, "Tokens of each text (32,128 as far as the model takes them)",
           std::size_t{1} << 20);
  add_list(command, "--threads", grid.threads, "Threads of one call (1)", kMaxThreads);
  add_list(command, "--instances", grid.instances, "Sessions that run at the same time on one model (1)", 4096);
  command.add_option("--cores", grid.cores, "Threads of an instance, each pinned to a physical core of its own")
      ->check(CLI::Range(1, kMaxThreads))
      ->type_name("M");
}

void add_peers(CLI::App& command, BenchOptions& options) {
  command.add_option("--peer", options.peers, "Engines to compare with: onnxruntime, sesame (another process of ours)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::IsMember({"onnxruntime", "sesame"}))
      ->type_name("NAME,...");
  command.add_option("--forms", options.grid.peers.forms, "ONNX Runtime's int8 files: integerops, qdq, qoperator")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::IsMember({"integerops", "qdq", "qoperator"}))
      ->type_name("NAME,...")
      ->default_str("integerops");
  command.add_option("--peer-python", options.grid.peers.python, "A Python that has onnxruntime, instead of node")
      ->envname("SESAME_PEER_PYTHON")
      ->type_name("FILE");
  command.add_option("--peer-command", options.grid.peers.command, "The sesame of --peer sesame: this one, or another")
      ->type_name("FILE");
}

void add_timing(CLI::App& command, bench::Timing& timing) {
  command.add_option("--warmup", timing.warmup, "Runs before the timed ones")
      ->check(CLI::Range(0, 1'000'000))
      ->type_name("N")
      ->capture_default_str();
  command.add_option("--runs", timing.runs, "Timed runs of a configuration")
      ->check(CLI::Range(1, 100'000'000))
      ->type_name("N")
      ->capture_default_str();
  command.add_option("--seconds", timing.seconds, "Time each configuration for so long, whatever --runs says")
      ->check(CLI::PositiveNumber)
      ->type_name("S");
}

}  // namespace

void add_bench_command(CLI::App& app, Command& chosen) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command = app.add_subcommand("bench", "Time models, accuracy and memory beside the speed");
  command->add_option("MODEL", options->models, "Folders in the Hugging Face layout, .onnx files, or packed models")
      ->required();
  add_grid(*command, *options);
  add_timing(*command, options->grid.timing);
  add_peers(*command, *options);
  command->add_flag("--text", options->grid.text, "Text in, answer out: tokenize --data's texts, or everyday ones");
  command->add_option("--data", options->data, "Labelled texts (text TAB label, or CLINC150 JSON): adds accuracy")
      ->type_name("FILE");
  command->add_option("--json", options->json, "Write the report as JSON; - for standard output")->type_name("FILE");
  command->add_flag("--profile", options->profile, "Also show where the time goes, step by step");
  command->footer(kExamples);
  command->callback([options, &chosen] { chosen = [options] { return run_bench(*options); }; });
}

}  // namespace sesame::tools
