#include "tools/bench_options.h"

#include "bench/studies/study.h"
#include "tools/options.h"

namespace sesame::tools {
namespace {

constexpr const char* kExamples =
    "Times every combination of the comma-separated values, checks the answers first, and prints a table. Lengths "
    "count\n"
    "special tokens. \"of peak\" is the share of what the cores could do at best, over the multiply-adds executed.\n\n"
    "Examples:\n"
    "  sesame bench models/intent --precision fp32,int8 --data models/intent/eval.tsv\n"
    "  sesame bench d --precision fp32,int8 --batch 1,8 --length 32,128 --threads 1,2 --json d.json\n"
    "  sesame bench models/intent --precision int8 --text --seconds 15\n"
    "  sesame bench d --precision int8 --length 128 --profile --html d.html\n"
    "  sesame bench d --precision fp32,int8 --peer onnxruntime --instances 2 --cores 1\n"
    "  sesame bench d --precision int8 --text --data dev.tsv --batch 32 --order length --peer onnxruntime\n"
    "  sesame bench models/intent --study intent --data data_oos_plus.json --peer onnxruntime\n";

void add_grid(CLI::App& command, BenchOptions& options) {
  bench::Options& grid = options.grid;
  command.add_option("--precision", options.precisions, "fp32, bf16, int8, or auto: what the file holds")
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

void add_workload(CLI::App& command, BenchOptions& options) {
  bench::Options& grid = options.grid;
  command.add_flag("--text", grid.text, "Text in, answer out: tokenize --data's texts, or everyday ones");
  command.add_option("--data", options.data, "Labelled data: adds accuracy; with --text the texts to time (also .txt)")
      ->type_name("FILE");
  add_task(command, grid.task);
  command
      .add_option_function<std::string>(
          "--order", [&grid](const std::string& order) { grid.sorted = order == "length"; },
          "Of --text's texts: as the file has them, or by length")
      ->check(CLI::IsMember({"file", "length"}))
      ->type_name("file|length")
      ->default_str("file");
  command.add_option("--rate", grid.rates, "Requests a second that arrive (Poisson); times include the waiting")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::PositiveNumber)
      ->type_name("R,...");
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
  command.add_option("--runs", timing.runs, "Timed runs of a configuration; for --text --data one for each batch")
      ->check(CLI::Range(1, 100'000'000))
      ->type_name("N")
      ->capture_default_str();
  command.add_option("--seconds", timing.seconds, "Time each configuration for so long, whatever --runs says")
      ->check(CLI::PositiveNumber)
      ->type_name("S");
}

void add_reports(CLI::App& command, BenchOptions& options) {
  command.add_option("--json", options.files.json, "Write the report as JSON; - for standard output")
      ->type_name("FILE");
  command.add_option("--markdown", options.files.markdown, "Write the report as Markdown")->type_name("FILE");
  command.add_option("--html", options.files.html, "Write the report as one page, with pictures")->type_name("FILE");
  command.add_option("--pictures", options.files.pictures, "Write the pictures as SVG files")->type_name("DIR");
  command.add_flag("--profile", options.profile, "Also show where the time goes, step by step");
}

void add_study(CLI::App& command, BenchOptions& options) {
  std::string names;
  for (const bench::Study& each : bench::studies()) {
    names += (names.empty() ? "" : "; ") + std::string(each.name) + ": " + each.summary;
  }
  command.add_option("--study", options.study, "A published study's columns, with its figures beside. " + names)
      ->type_name("NAME");
  command.add_option("--calibration", options.calibration, "Texts that static quantization is calibrated on")
      ->type_name("FILE");
}

}  // namespace

void add_bench_options(CLI::App& command, BenchOptions& options) {
  command.add_option("MODEL", options.models, "Folders in the Hugging Face layout, .onnx files, or packed models")
      ->required();
  add_grid(command, options);
  add_timing(command, options.grid.timing);
  add_workload(command, options);
  add_peers(command, options);
  add_reports(command, options);
  add_study(command, options);
  command.footer(kExamples);
}

void finish(BenchOptions& options) {
  bench::Options& grid = options.grid;
  grid.models.assign(options.models.begin(), options.models.end());
  grid.precisions.clear();
  for (const std::string& each : options.precisions) grid.precisions.push_back(parse_precision(each));
  if (!options.data.empty()) grid.data = options.data;
  for (const std::string& each : options.peers) {
    (each == "sesame" ? grid.peers.sesame : grid.peers.onnxruntime) = true;
  }
  grid.whole_file = grid.data && !options.has_timing;
}

}  // namespace sesame::tools
