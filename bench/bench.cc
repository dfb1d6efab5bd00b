#include "bench/bench.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <span>

#include "bench/accuracy.h"
#include "bench/cell.h"
#include "bench/engines/sesame_contestant.h"
#include "bench/subject.h"
#include "bench/workload.h"
#include "engine/container.h"
#include "models/eval/examples.h"
#include "models/model.h"

namespace sesame::bench {
namespace {

constexpr std::size_t kTaskBatch = 16;

void check_lengths(const Options& options, const Subject& subject) {
  const std::size_t most = subject.model->max_tokens();
  for (const std::size_t length : options.lengths) {
    if (most != 0 && length > most) {
      throw Error(subject.path + ": expected a length of at most " + std::to_string(most) + " tokens, found " +
                  std::to_string(length));
    }
  }
}

// The grid's lengths for this model; one without a value when real text brings its own.
std::vector<std::optional<std::size_t>> grid_lengths(const Options& options, const Subject& subject) {
  if (options.text) return {std::nullopt};
  if (!options.lengths.empty()) return {options.lengths.begin(), options.lengths.end()};
  const std::size_t most = subject.model->max_tokens();
  std::vector<std::optional<std::size_t>> lengths;
  for (const std::size_t usual : {32, 128}) {
    if (most == 0 || usual <= most) lengths.emplace_back(usual);
  }
  if (lengths.empty()) lengths.emplace_back(most);
  return lengths;
}

// Lines without labels bring texts to time and no task.
bool has_labels(const std::filesystem::path& data) { return data.extension() != ".txt"; }

std::vector<std::string> texts_of(const std::filesystem::path& data) {
  if (!has_labels(data)) return models::read_plain_texts(data);
  std::vector<std::string> texts;
  for (auto& each : models::read_examples(data).examples) {
    if (each.pair) throw Error(data.string() + ": expected single texts for --text, found pairs");
    texts.push_back(std::move(each.text));
  }
  return texts;
}

std::vector<Configuration> configurations(const Options& options, std::size_t batch,
                                          std::optional<std::size_t> length) {
  std::vector<Configuration> all;
  const auto threads = options.cores ? std::vector<int>{*options.cores} : options.threads;
  std::vector<std::optional<double>> rates(options.rates.begin(), options.rates.end());
  if (rates.empty()) rates.emplace_back();
  for (const int each : threads) {
    for (const int instances : options.instances) {
      for (const auto& rate : rates) {
        all.push_back({.batch = batch,
                       .length = length,
                       .threads = each,
                       .instances = instances,
                       .rate = rate,
                       .pinned = options.cores.has_value() || instances > 1});
      }
    }
  }
  return all;
}

// The grid of one model, precision by precision.
class ModelRun {
 public:
  ModelRun(const std::filesystem::path& path, const Options& options, std::span<const std::string> texts,
           const Progress& progress, Outcome& outcome)
      : path_(path),
        options_(options),
        texts_(texts.begin(), texts.end()),
        progress_(progress),
        outcome_(outcome),
        copies_(path, options.calibration ? options.calibration : options.data) {}

  void run() {
    const std::size_t first = outcome_.results.size();
    for (const Precision precision : options_.precisions) {
      if (outcome_.is_partial) break;
      progress_(path_.string() + ", loading", 0);
      const Subject subject = load_subject(path_, {.precision = precision, .attention = options_.attention});
      check_lengths(options_, subject);
      const auto peers = peer_entries(options_.peers, subject, copies_);
      if (has_task()) answer_task(subject, peers);
      measure(subject, peers);
    }
    if (!task_) return;
    const bool has_floats = !engine::is_container(path_);  // a packed model holds one precision only
    if (!task_->has_reference() && has_floats) answer_task(load_subject(path_, {.precision = Precision::fp32}), {});
    for (Result& each : std::span(outcome_.results).subspan(first)) task_->fill(each);
  }

 private:
  bool has_task() const {
    return options_.data && (options_.task != TaskKind::automatic || has_labels(*options_.data));
  }
  int most_threads() const { return options_.cores.value_or(std::ranges::max(options_.threads)); }

  // Ours and the peers' answers to the labelled data, of those that were not asked before.
  void answer_task(const Subject& subject, const std::vector<PeerEntry>& peers) {
    if (!task_) task_ = std::make_unique<TaskAnswers>(*options_.data, subject.model->loaded(), options_.task);
    const auto tick = [&](double share) { progress_(path_.string() + ", labelled data", share); };
    if (!task_->has("sesame", subject.precision(), "")) {
      SesameContestant ours(subject.model, subject.load_ms, most_threads());
      const bool is_alone = answers_depend_on_batch(subject.model->loaded());
      task_->add(ours, subject.precision(), "", is_alone ? 1 : kTaskBatch, tick);
    }
    for (const PeerEntry& each : peers) {
      if (each.argv.back() == "bench-peer" || task_->has("onnxruntime", each.precision, each.format)) continue;
      PeerModel model = each.model;
      model.threads = most_threads();
      PeerContestant peer(each.argv, {}, model);
      // Scales over a whole tensor depend on the batch and its padding: one text at a time is the peer's best.
      task_->add(peer, each.precision, each.format, each.precision == "int8" ? 1 : kTaskBatch, tick);
    }
  }

  Workload make_workload(const Subject& subject, std::size_t batch, std::optional<std::size_t> length) const {
    const LoadedModel& model = subject.model->loaded();
    if (length) return fixed_length(model, batch, *length);
    if (!model.tokenizer) throw Error(subject.path + ": expected a tokenizer beside the model for --text, found none");
    if (texts_.empty()) return real_text(model, batch, everyday_sentences());
    return real_text(model, batch, options_.sorted ? sorted_by_length(model, texts_) : texts_);
  }

  void measure(const Subject& subject, const std::vector<PeerEntry>& peers) {
    for (const std::size_t batch : options_.batches) {
      for (const auto length : grid_lengths(options_, subject)) {
        const Workload workload = make_workload(subject, batch, length);
        Options options = options_;
        if (options.whole_file && !length) options.timing.runs = static_cast<int>(workload.batches.size());
        for (const Configuration& each : configurations(options, batch, length)) {
          auto more = measure_cell(subject, workload, each, peers, options, progress_);
          std::ranges::move(more.results, std::back_inserter(outcome_.results));
          std::ranges::move(more.warnings, std::back_inserter(outcome_.warnings));
          outcome_.is_partial = options_.stopped();
          if (outcome_.is_partial) return;
        }
      }
    }
  }

  const std::filesystem::path& path_;
  const Options& options_;
  std::vector<std::string_view> texts_;
  const Progress& progress_;
  Outcome& outcome_;
  QuantizedCopies copies_;
  std::unique_ptr<TaskAnswers> task_;
};

}  // namespace

Outcome run(const Options& options, const Progress& progress) {
  std::vector<std::string> texts = options.texts;
  if (texts.empty() && options.text && options.data) texts = texts_of(*options.data);
  Outcome outcome;
  for (const auto& path : options.models) {
    if (!outcome.is_partial) ModelRun(path, options, texts, progress, outcome).run();
  }
  return outcome;
}

}  // namespace sesame::bench
