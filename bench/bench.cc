#include "bench/bench.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <span>

#include "bench/accuracy.h"
#include "bench/cell.h"
#include "bench/subject.h"
#include "bench/workload.h"
#include "engine/container.h"
#include "models/model.h"
#include "models/tokenizers/tokenizer.h"

namespace sesame::bench {
namespace {

using Data = std::vector<models::LabelledText>;

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

Workload make_workload(const Subject& subject, const Data& data, std::size_t batch, std::optional<std::size_t> length) {
  const LoadedModel& model = subject.model->loaded();
  if (length) return fixed_length(model, batch, *length);
  if (!model.tokenizer) throw Error(subject.path + ": expected a tokenizer beside the model for --text, found none");
  if (data.empty()) return real_text(model, batch, everyday_sentences());
  std::vector<std::string_view> texts;
  for (const auto& each : data) texts.push_back(each.text);
  return real_text(model, batch, texts);
}

std::vector<Configuration> configurations(const Options& options, std::size_t batch,
                                          std::optional<std::size_t> length) {
  std::vector<Configuration> all;
  const auto threads = options.cores ? std::vector<int>{*options.cores} : options.threads;
  for (const int each : threads) {
    for (const int instances : options.instances) {
      all.push_back({.batch = batch,
                     .length = length,
                     .threads = each,
                     .instances = instances,
                     .pinned = options.cores.has_value() || instances > 1});
    }
  }
  return all;
}

// Adds what a configuration brings. False when the user has stopped.
bool add(Outcome more, const Options& options, Outcome& outcome) {
  std::ranges::move(more.results, std::back_inserter(outcome.results));
  std::ranges::move(more.warnings, std::back_inserter(outcome.warnings));
  outcome.is_partial = options.stopped();
  return !outcome.is_partial;
}

bool measure_grid(const Subject& subject, QuantizedCopies& copies, const Options& options, const Data& data,
                  const Peaks& peaks, const Progress& progress, Outcome& outcome) {
  const auto entries = peer_entries(options.peers, subject, copies);
  for (const std::size_t batch : options.batches) {
    for (const auto length : grid_lengths(options, subject)) {
      const Workload workload = make_workload(subject, data, batch, length);
      for (const Configuration& each : configurations(options, batch, length)) {
        if (!add(measure_cell(subject, workload, each, entries, options, peaks, progress), options, outcome)) {
          return false;
        }
      }
    }
  }
  return true;
}

void run_model(const std::filesystem::path& path, const Options& options, const Data& data, const Peaks& peaks,
               const Progress& progress, Outcome& outcome) {
  const std::size_t first = outcome.results.size();
  QuantizedCopies copies(path);
  LabelledAnswers answers(data, std::ranges::max(options.threads));
  const auto answer_data = [&](const Subject& subject) {
    progress(path.string() + " " + subject.precision() + ", labelled texts", 0);
    answers.add(subject.path, subject.model);
  };
  for (const Precision precision : options.precisions) {
    progress(path.string() + ", loading", 0);
    const Subject subject = load_subject(path, {.precision = precision, .attention = options.attention});
    check_lengths(options, subject);
    if (!data.empty()) answer_data(subject);
    if (!measure_grid(subject, copies, options, data, peaks, progress, outcome)) break;
  }
  if (data.empty()) return;
  // A packed model holds one precision only.
  const bool has_floats = answers.has(Precision::fp32) || !engine::is_container(path);
  if (has_floats && !answers.has(Precision::fp32)) answer_data(load_subject(path, {.precision = Precision::fp32}));
  for (Result& each : std::span(outcome.results).subspan(first)) {
    if (each.engine == "sesame") answers.fill(parse_precision(each.precision), each);
  }
}

}  // namespace

Outcome run(const Options& options, const Peaks& peaks, const Progress& progress) {
  const Data data = options.data ? models::read_labelled_texts(*options.data) : Data{};
  Outcome outcome;
  for (const auto& path : options.models) {
    if (!outcome.is_partial) run_model(path, options, data, peaks, progress, outcome);
  }
  return outcome;
}

}  // namespace sesame::bench
