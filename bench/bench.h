// Times models over a grid of precisions, batch sizes, lengths and threads.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bench/latency.h"
#include "bench/peers.h"
#include "bench/report.h"
#include "bench/tasks/task.h"
#include "sesame/sesame.h"

namespace sesame::bench {

struct Options {
  std::vector<std::filesystem::path> models;
  std::vector<Precision> precisions = {Precision::automatic};
  AttentionPrecision attention = AttentionPrecision::automatic;
  std::vector<std::size_t> batches = {1};
  std::vector<std::size_t> lengths;  // empty: 32 and 128, as far as the model takes them
  std::vector<int> threads = {1};
  std::vector<int> instances = {1};
  std::vector<double> rates;  // requests a second that arrive (Poisson) at one instance; empty: no waiting between runs
  std::optional<int> cores;   // of an instance, pinned; stands for `threads`
  Timing timing;
  bool sorted = false;      // `text` by length, shortest first, instead of as the file has it
  bool whole_file = false;  // with `text` and `data`: one run for each batch of the file
  bool text = false;        // text in, answer out: the tokenizer is timed too, lengths are the text's
  Peers peers;
  std::vector<std::string> texts;  // what `text` reads before `data`'s
  std::optional<std::filesystem::path>
      calibration;                            // texts for the peers' static quantization; absent: those of `data`
  std::optional<std::filesystem::path> data;  // labelled texts: accuracy, and what `text` reads
  TaskKind task = TaskKind::automatic;        // of `data`
  // Asked between turns; once true, run() returns what is finished.
  std::function<bool()> stopped = [] { return false; };
};

// Told what is running and the share of that configuration's runs that is done.
using Progress = std::function<void(const std::string& what, double share)>;

// What run() found. Warnings are about the machine and single configurations.
struct Outcome {
  std::vector<Result> results;
  std::vector<std::string> warnings;
  bool is_partial = false;
};

// One result a configuration and engine, model by model, then in the order precision, batch, length, threads,
// instances, engine. One model of ours is in memory at a time, and each peer's process has one configuration, so
// peak_rss_mib is what a process with this model and configuration needs, loading included. Answers are checked, and
// the peers' compared with ours, before anything is timed (answer_check.h). Throws Error.
Outcome run(const Options& options, const Progress& progress);

}  // namespace sesame::bench
