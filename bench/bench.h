// Times models over a grid of precisions, batch sizes, lengths and threads.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bench/latency.h"
#include "bench/report.h"
#include "sesame/sesame.h"

namespace sesame::bench {

// The engines beside ours. Each runs in a process of its own, in turns with ours, on the same batches.
struct Peers {
  bool onnxruntime = false;
  bool sesame = false;                              // another process of ours: the bench held against itself
  std::filesystem::path python;                     // an interpreter that has onnxruntime; empty: node
  std::filesystem::path command;                    // the `sesame` that serves as peer
  std::vector<std::string> forms = {"integerops"};  // of ONNX Runtime's int8: integerops, qdq, qoperator
};

struct Options {
  std::vector<std::filesystem::path> models;
  std::vector<Precision> precisions = {Precision::automatic};
  AttentionPrecision attention = AttentionPrecision::automatic;
  std::vector<std::size_t> batches = {1};
  std::vector<std::size_t> lengths;  // empty: 32 and 128, as far as the model takes them
  std::vector<int> threads = {1};
  Timing timing;
  bool text = false;  // text in, answer out: the tokenizer is timed too, lengths are the text's
  Peers peers;
  std::optional<std::filesystem::path> data;  // labelled texts: accuracy, and what `text` reads
};

// Told what is running and the share of that configuration's runs that is done.
using Progress = std::function<void(const std::string& what, double share)>;

// One result a configuration, model by model, then in the order precision, batch, length, threads. One model is in
// memory at a time, so peak_rss_mib is what a process with this model and configuration needs, loading included.
// Answers are checked before anything is timed (answer_check.h). `peaks` are what peak_share is a share of. Throws
// Error.
std::vector<Result> run(const Options& options, const Peaks& peaks, const Progress& progress);

}  // namespace sesame::bench
