#include "bench/studies/optimum.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "bench/studies/label_accuracy.h"
#include "bench/studies/list.h"
#include "bench/subject.h"
#include "engine/scratch_folder.h"
#include "models/calibration.h"
#include "models/calibration_texts.h"
#include "models/model.h"
#include "models/quantize_onnx.h"

namespace sesame::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLengths[] = {32, 64, 128};
constexpr std::size_t kSamples = 128;  // as published, with percentile 99.999
constexpr std::uint64_t kSeed = 1;

// The study's columns, by place.
enum Column {
  framework,
  approach,
  operators,
  exclusion,
  per_channel,
  arguments,
  reduce_range,
  applied,
  accuracy,
  first
};

// Whether a cell, a Python list, holds this name.
bool holds(const std::string& cell, std::string_view name) {
  std::string quoted = "'";
  quoted += name;
  quoted += '\'';
  return cell.find(quoted) != std::string::npos;
}

OptimumRow parse_row(std::vector<std::string> cells) {
  OptimumRow row{std::move(cells), false, {}};
  const auto& published = row.published;
  row.is_quantized = published[applied] == "True";
  if (!row.is_quantized) return row;
  engine::OnnxFormOptions& form = row.form;
  const bool is_static = published[approach] == "static";
  form.form = is_static ? engine::OnnxForm::qdq : engine::OnnxForm::integer_ops;
  form.per_channel = published[per_channel] == "True";
  form.reduce_range = published[reduce_range] == "True";
  form.nodes.operators.clear();
  for (const std::string& op : engine::quantizable_operators()) {
    const bool with_matmul = op == "Gemm" && !is_static && holds(published[operators], "MatMul");
    if (holds(published[operators], op) || with_matmul) form.nodes.operators.push_back(op);
  }
  for (const engine::NodeGroup group : engine::all_node_groups()) {
    if (holds(published[exclusion], name(group))) form.nodes.exclude.push_back(group);
  }
  form.nodes.heads = true;
  return row;
}

// Ranges of all that some row quantizes, found once.
class Calibrator {
 public:
  Calibrator(const StudyOptions& options, const Progress& progress) : options_(options), progress_(progress) {}

  engine::Ranges operator()(const engine::Graph& graph, const std::vector<std::string>&) {
    if (!ranges_) {
      engine::OnnxFormOptions all;
      all.form = engine::OnnxForm::qdq;
      all.nodes.operators = engine::quantizable_operators();
      all.nodes.heads = true;
      const auto& file = options_.calibration ? options_.calibration : options_.data;
      if (!file) throw Error("--study optimum: expected texts to calibrate on, with --calibrate or --data");
      const auto texts = models::read_calibration_texts(*file, kSamples, kSeed);
      ranges_ =
          models::observe_values(options_.model, graph, values_to_calibrate(graph, all), texts, {}, [&](double share) {
            progress_("calibrating", share);
          }).ranges();
    }
    return *ranges_;
  }

 private:
  const StudyOptions& options_;
  const Progress& progress_;
  std::optional<engine::Ranges> ranges_;
};

// One engine's figures of one row.
struct Figures {
  std::string engine;
  std::optional<double> accuracy;
  std::map<std::size_t, const Result*> by_length;
};

std::string counted(const std::map<std::string, int>& quantized) {
  std::string text;
  for (const auto& [op, count] : quantized) text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + op;
  return text.empty() ? "none" : text;
}

std::vector<std::string> cells_of(const OptimumRow& row, const Figures& figures, int threads,
                                  const std::string& quantized, const std::string& machine) {
  std::vector<std::string> cells(row.published.begin(), row.published.begin() + first);
  cells[framework] = figures.engine;
  cells[arguments] = "{'intra_op_num_threads': " + std::to_string(threads) + "}";
  cells[accuracy] = figures.accuracy ? fixed(*figures.accuracy, 4) : "";
  for (const std::size_t length : kLengths) {
    const auto it = figures.by_length.find(length);
    const bool found = it != figures.by_length.end();
    cells.push_back(found ? fixed(it->second->latency_ms.mean, 2) : "");
    cells.push_back(found ? fixed(it->second->samples_per_s, 2) : "");
  }
  cells.push_back(quantized);
  cells.push_back(machine);
  return cells;
}

class Runner {
 public:
  Runner(const StudyOptions& options, const Machine& machine, const Progress& progress)
      : options_(options), machine_(machine), progress_(progress), calibrator_(options, progress) {
    report_.title = "Operators, exclusions, granularity and range of int8 (published: optimum, DistilBERT on SST-2)";
    report_.table = {.columns = optimum_columns(), .rows = {}, .left = first - 1};
    threads_ = study_threads(options, machine, 4, report_.notes);
    if (options.data) data_ = models::read_labelled_texts(*options.data);
  }

  StudyReport run() {
    const auto rows = optimum_rows();
    for (const OptimumRow& row : rows) run_row(row);
    report_.notes.emplace_back("an Add of an attention mask or of a variance is never quantized");
    for (const auto& each : published_rows("optimum_distilbert_sst2")) {
      report_.table.rows.push_back(each);
      report_.table.rows.back().insert(report_.table.rows.back().end(), {"", "published"});
    }
    return std::move(report_);
  }

 private:
  void run_row(const OptimumRow& row) {
    const engine::ScratchFolder scratch("sesame-study-");
    fs::path model = options_.model;
    std::string quantized = "none";
    if (row.is_quantized) {
      model = scratch.path() / "model";
      quantized = counted(
          models::quantize_to_onnx(options_.model, model, row.form, std::ref(calibrator_), models::IfNothing::write)
              .quantized);
    }
    const std::size_t before = report_.results.size();
    time(model);
    std::vector<Figures> engines = {{"sesame", std::nullopt, {}}};
    if (options_.peers.onnxruntime) engines.push_back({"onnxruntime", std::nullopt, {}});
    for (Figures& figures : engines) {
      score(model, figures);
      for (std::size_t i = before; i < report_.results.size(); ++i) {
        Result& result = report_.results[i];
        if (result.engine != figures.engine) continue;
        result.accuracy = figures.accuracy;
        figures.by_length[*result.length] = &result;
      }
      report_.table.rows.push_back(cells_of(row, figures, threads_, quantized, machine_name()));
    }
  }

  void time(const fs::path& model) {
    Options grid;
    grid.models = {model};
    const std::size_t most = load_subject(model, {}).model->max_tokens();
    std::copy_if(std::begin(kLengths), std::end(kLengths), std::back_inserter(grid.lengths),
                 [&](std::size_t length) { return most == 0 || length <= most; });
    if (grid.lengths.empty()) return;
    grid.threads = {threads_};
    grid.timing = options_.timing.value_or(Timing{.warmup = 3, .runs = 1, .seconds = 15});
    grid.peers = options_.peers;
    Outcome outcome = bench::run(grid, progress_);
    std::move(outcome.results.begin(), outcome.results.end(), std::back_inserter(report_.results));
  }

  void score(const fs::path& model, Figures& figures) {
    if (data_.empty()) return;
    progress_(figures.engine + " " + std::to_string(report_.table.rows.size() + 1) + ", labelled texts", 0);
    const Subject subject = load_subject(model, {});
    const auto labels = figures.engine == "sesame" ? labels_one_by_one(subject, data_, threads_)
                                                   : peer_labels_one_by_one(subject, options_.peers, data_, threads_);
    figures.accuracy = accuracy_of(labels, subject, data_);
  }

  std::string machine_name() const { return machine_.cpu.empty() ? "this machine" : machine_.cpu + ", this machine"; }

  const StudyOptions& options_;
  const Machine& machine_;
  const Progress& progress_;
  Calibrator calibrator_;
  int threads_ = 1;
  std::vector<models::LabelledText> data_;
  StudyReport report_;
};

}  // namespace

std::vector<OptimumRow> optimum_rows() {
  std::vector<OptimumRow> rows;
  for (auto& cells : published_rows("optimum_distilbert_sst2")) {
    if (cells[framework] == "onnxruntime") rows.push_back(parse_row(std::move(cells)));
  }
  return rows;
}

std::vector<std::string> optimum_columns() {
  return {"framework",
          "quantization_approach",
          "operators_to_quantize",
          "node_exclusion",
          "per_channel",
          "framework_args",
          "reduce_range",
          "apply_quantization",
          "accuracy",
          "latency_ms_b1_s32",
          "throughput_b1_s32",
          "latency_ms_b1_s64",
          "throughput_b1_s64",
          "latency_ms_b1_s128",
          "throughput_b1_s128",
          "quantized",
          "machine"};
}

StudyReport optimum_study(const StudyOptions& options, const Machine& machine, const Progress& progress) {
  return Runner(options, machine, progress).run();
}

}  // namespace sesame::bench
