#include "bench/bench.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <span>

#include "bench/accuracy.h"
#include "bench/answer_check.h"
#include "bench/memory.h"
#include "bench/workload.h"
#include "engine/container.h"
#include "models/macs.h"
#include "models/model.h"
#include "models/tokenizers/tokenizer.h"

namespace sesame::bench {
namespace {

using Data = std::vector<models::LabelledText>;

// A model in memory, and what loading it took.
struct Subject {
  std::string path;
  std::shared_ptr<const Model> model;
  double load_ms = 0;
  std::optional<double> peak_mib;  // of the process while loading
};

Subject load(const std::filesystem::path& path, const ModelOptions& options) {
  Subject subject{.path = path.string(), .model = nullptr, .load_ms = 0, .peak_mib = {}};
  forget_peak();
  subject.load_ms = time_once([&] { subject.model = Model::load(path, options); });
  subject.peak_mib = peak_resident_mib();
  return subject;
}

// A graph that scales its activations by the maximum over the whole batch brings answers that depend on the batch.
bool answers_depend_on_batch(const LoadedModel& model) {
  return std::ranges::any_of(model.source.operators,
                             [](const auto& each) { return each.first.find("DynamicQuantize") != std::string::npos; });
}

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

// What is timed: from ids to outputs, or from text to an answer.
void answer(Session& session, const Workload& workload, std::size_t run) {
  if (!workload.is_text()) {
    session.run(workload.batch(run));
    return;
  }
  const auto& texts = workload.texts[run % workload.texts.size()];
  if (!session.model().labels().empty()) {
    session.classify(texts);
    return;
  }
  const LoadedModel& model = session.model().loaded();
  TokenBatch batch;
  for (const std::string_view text : texts) {
    const auto encoding = model.tokenizer->encode(text, {.max_length = model.max_tokens});
    batch.add(encoding.ids, encoding.type_ids);
  }
  session.run(batch);
}

std::optional<double> peak_of(const Peaks& peaks, Precision precision) {
  switch (precision) {
    case Precision::fp32:
      return peaks.fp32;
    case Precision::int8:
      return peaks.int8;
    case Precision::automatic:
      break;
  }
  return std::nullopt;
}

// Fills in the rates. Runs of one length differ by disturbance only, so their median stands for them; real text's runs
// differ in work, so their mean does.
void add_rates(const LoadedModel& model, const Workload& workload, const std::optional<double>& peak, Result& result) {
  double tokens = 0;
  double macs = 0;
  for (std::size_t run = 0; run < result.runs; ++run) {
    const auto each = lengths(workload.batch(run));
    tokens += static_cast<double>(std::accumulate(each.begin(), each.end(), std::size_t{0}));
    if (run < workload.batches.size()) macs += executed_macs(model, each);
  }
  const auto runs = static_cast<double>(result.runs);
  const double seconds = (workload.is_text() ? result.latency_ms.mean : result.latency_ms.p50) / 1000;
  result.samples_per_s = static_cast<double>(result.batch) / seconds;
  result.tokens_per_s = tokens / runs / seconds;
  if (macs == 0) return;
  result.gmacs = macs / static_cast<double>(std::min(result.runs, workload.batches.size())) / 1e9;
  result.gmacs_per_s = *result.gmacs / seconds;
  if (peak) result.peak_share = *result.gmacs_per_s / (*peak * result.threads);
}

std::string describe(const Result& result) {
  return result.model + " " + result.precision + ", batch " + std::to_string(result.batch) + ", " +
         (result.length ? std::to_string(*result.length) + " tokens" : "text") + ", " + std::to_string(result.threads) +
         (result.threads == 1 ? " thread" : " threads");
}

void check(Session& session, const Subject& subject, const Workload& workload) {
  const TokenBatch& batch = workload.batches[0];
  check_answers(session, batch, subject.path, /*alone_too=*/!answers_depend_on_batch(subject.model->loaded()));
}

Result measure(const Subject& subject, const Workload& workload, Result result, const Options& options,
               const Peaks& peaks, const Progress& progress) {
  const std::string what = describe(result);
  progress(what, 0);
  forget_peak();
  Session session(subject.model, {.threads = result.threads});
  check(session, subject, workload);
  const auto times = time_runs(
      options.timing, [&](std::size_t run) { answer(session, workload, run); },
      [&](double share) { progress(what, share); });
  result.peak_rss_mib = std::max(subject.peak_mib, peak_resident_mib());
  result.runs = times.size();
  result.latency_ms = summarize(times);
  add_rates(subject.model->loaded(), workload, peak_of(peaks, subject.model->precision()), result);
  return result;
}

void measure_grid(const Subject& subject, const Options& options, const Data& data, const Peaks& peaks,
                  const Progress& progress, std::vector<Result>& results) {
  const LoadedModel& model = subject.model->loaded();
  Result common;
  common.model = subject.path;
  common.precision = name(subject.model->precision());
  common.isa = kernels::name(kernels::default_isa());
  common.model_mib = static_cast<double>(model.weight_bytes) / 0x1p20;
  common.load_ms = subject.load_ms;
  for (const std::size_t batch : options.batches) {
    for (const auto length : grid_lengths(options, subject)) {
      const Workload workload = make_workload(subject, data, batch, length);
      for (const int threads : options.threads) {
        Result result = common;
        result.batch = batch;
        result.length = length;
        result.threads = threads;
        results.push_back(measure(subject, workload, std::move(result), options, peaks, progress));
      }
    }
  }
}

void run_model(const std::filesystem::path& path, const Options& options, const Data& data, const Peaks& peaks,
               const Progress& progress, std::vector<Result>& results) {
  const std::size_t first = results.size();
  LabelledAnswers answers(data, std::ranges::max(options.threads));
  const auto answer_data = [&](const Subject& subject) {
    progress(path.string() + " " + std::string(name(subject.model->precision())) + ", labelled texts", 0);
    answers.add(subject.path, subject.model);
  };
  for (const Precision precision : options.precisions) {
    progress(path.string() + ", loading", 0);
    const Subject subject = load(path, {.precision = precision, .attention = options.attention});
    check_lengths(options, subject);
    if (!data.empty()) answer_data(subject);
    measure_grid(subject, options, data, peaks, progress, results);
  }
  if (data.empty()) return;
  // A packed model holds one precision only.
  const bool has_floats = answers.has(Precision::fp32) || !engine::is_container(path);
  if (has_floats && !answers.has(Precision::fp32)) answer_data(load(path, {.precision = Precision::fp32}));
  for (Result& each : std::span(results).subspan(first)) answers.fill(parse_precision(each.precision), each);
}

}  // namespace

std::vector<Result> run(const Options& options, const Peaks& peaks, const Progress& progress) {
  const Data data = options.data ? models::read_labelled_texts(*options.data) : Data{};
  std::vector<Result> results;
  for (const auto& path : options.models) run_model(path, options, data, peaks, progress, results);
  return results;
}

}  // namespace sesame::bench
