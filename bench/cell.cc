#include "bench/cell.h"

#include <algorithm>
#include <numeric>

#include "bench/affinity.h"
#include "bench/answer_check.h"
#include "bench/conditions.h"
#include "bench/engines/sesame_contestant.h"
#include "bench/memory.h"
#include "bench/rates.h"
#include "bench/rounds.h"
#include "models/model.h"

namespace sesame::bench {
namespace {

// Two right engines differ by rounding in fp32 and by their quantization in int8.
constexpr double kTolerance = 1e-3;
constexpr double kToleranceInt8 = 0.3;

using CpuLists = std::vector<std::vector<int>>;

Group our_group(const Subject& subject, const Configuration& configuration, const CpuLists& cpus) {
  Group group{.instances = {}, .cpus = cpus};
  for (int i = 0; i < configuration.instances; ++i) {
    group.instances.push_back(
        std::make_unique<SesameContestant>(subject.model, subject.load_ms, configuration.threads));
  }
  return group;
}

Group peer_group(const PeerEntry& entry, const Configuration& configuration, const CpuLists& cpus) {
  Group group{.instances = {}, .cpus = cpus};
  PeerModel model = entry.model;
  model.threads = configuration.threads;
  for (int i = 0; i < configuration.instances; ++i) {
    const auto& own = cpus.empty() ? std::vector<int>() : cpus[static_cast<std::size_t>(i)];
    group.instances.push_back(std::make_unique<PeerContestant>(entry.argv, own, model));
  }
  return group;
}

std::string peer_name(const PeerEntry& entry, const Contestant& contestant) {
  return contestant.facts().engine + (entry.format.empty() ? "" : " " + entry.format);
}

// What all engines of the cell share.
Result common_result(const Subject& subject, const Configuration& configuration, const CpuLists& cpus) {
  Result result;
  result.model = subject.path;
  result.precision = subject.precision();
  result.batch = configuration.batch;
  result.length = configuration.length;
  result.threads = configuration.threads;
  result.instances = configuration.instances;
  result.rate = configuration.rate;
  for (const auto& each : cpus) result.cpus.insert(result.cpus.end(), each.begin(), each.end());
  return result;
}

void add_facts(const Group& group, Result& result) {
  const EngineFacts& facts = group.instances[0]->facts();
  result.engine = facts.engine;
  result.version = facts.version;
  result.isa = facts.isa;
  result.model_mib = facts.model_mib;
  result.load_ms = facts.load_ms;
}

// Our instances share a process, a peer's have one each.
std::optional<double> peak_mib(const Group& group, bool is_ours) {
  if (is_ours) return group.instances[0]->peak_mib();
  double total = 0;
  for (const auto& each : group.instances) total += each->peak_mib().value_or(0);
  return total > 0 ? std::optional(total) : std::nullopt;
}

std::optional<double> file_mib(const std::filesystem::path& file) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(file, error);
  return error ? std::nullopt : std::optional(static_cast<double>(bytes) / 0x1p20);
}

std::string describe(const Result& result) {
  return result.model + " " + result.precision + ", batch " + std::to_string(result.batch) + ", " +
         (result.length ? std::to_string(*result.length) + " tokens" : "text") + ", " +
         (result.instances > 1 ? std::to_string(result.instances) + " x " : "") + std::to_string(result.threads) +
         (result.threads == 1 ? " thread" : " threads") +
         (result.rate ? ", " + fixed(*result.rate, 0) + " a second" : "");
}

// The engines of one configuration, loaded: ours first.
class Cell {
 public:
  Cell(const Subject& subject, const Workload& workload, const Configuration& configuration,
       const std::vector<PeerEntry>& peers)
      : subject_(subject), workload_(workload), configuration_(configuration), peers_(peers) {
    if (configuration.pinned) {
      const auto cpus = one_cpu_a_core("", allowed_cpus());
      cpus_ = instance_cpus(cpus, configuration.instances, configuration.threads);
    }
    common_ = common_result(subject, configuration, cpus_);
    forget_peak();
    groups_.push_back(our_group(subject, configuration, cpus_));
    for (const PeerEntry& each : peers) groups_.push_back(peer_group(each, configuration, cpus_));
  }

  std::string name() const { return describe(common_); }

  // Throws Error when an answer is not what it should be.
  void check() const;

  Rounds run(const Options& options, const Progress& progress) const {
    for (const Group& group : groups_) {
      for (const auto& each : group.instances) each->prepare(workload_);
    }
    const Schedule schedule = make_schedule(options.timing, groups_.size(), configuration_.threads);
    std::vector<PeakMeter> meters;
    for (std::size_t g = 0; g < groups_.size(); ++g) meters.emplace_back(parse_precision(precision(g)));
    const Watch watch{.tick = [&](double share) { progress(name(), share); },
                      .stopped = options.stopped,
                      .probe = [&](std::size_t g) { return meters[g].gmacs(); }};
    if (configuration_.rate) {
      return serve_rounds(groups_, schedule, *configuration_.rate, configuration_.batch, watch);
    }
    const auto tokens = [&](std::size_t run) { return static_cast<double>(workload_.batch(run).ids.size()); };
    return run_rounds(groups_, schedule, configuration_.batch, tokens, watch);
  }

  std::vector<Result> results(const Rounds& rounds) const {
    std::vector<Result> results;
    for (std::size_t g = 0; g < groups_.size(); ++g) results.push_back(result(g, rounds));
    return results;
  }

  // What noise_warning() wants to know.
  double spread_of_ours(const Rounds& rounds) const {
    const bool are_alike = configuration_.length && !configuration_.rate;  // texts differ, and so do arrivals
    return are_alike ? spread(rounds.of_group[0]) : 0;
  }

 private:
  const std::string& precision(std::size_t g) const { return g == 0 ? common_.precision : peers_[g - 1].precision; }
  Result result(std::size_t g, const Rounds& rounds) const;

  const Subject& subject_;
  const Workload& workload_;
  const Configuration& configuration_;
  const std::vector<PeerEntry>& peers_;
  CpuLists cpus_;
  Result common_;
  std::vector<Group> groups_;
};

void Cell::check() const {
  const TokenBatch& batch = workload_.batches[0];
  auto& ours = static_cast<SesameContestant&>(*groups_[0].instances[0]);
  check_answers(ours.session(), batch, subject_.path, /*alone_too=*/!answers_depend_on_batch(subject_.model->loaded()));
  if (groups_.size() == 1) return;
  const auto answer = ours.answer(batch);
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    Contestant& peer = *groups_[i + 1].instances[0];
    const bool is_exact = peers_[i].precision == "fp32" && subject_.model->precision() == Precision::fp32;
    check_peer(answer, peer.answer(batch), batch, is_exact ? kTolerance : kToleranceInt8, subject_.path,
               peer_name(peers_[i], peer));
  }
}

Result Cell::result(std::size_t g, const Rounds& rounds) const {
  Result result = common_;
  add_facts(groups_[g], result);
  result.precision = precision(g);
  if (g > 0) result.format = peers_[g - 1].format;
  add_rates(rounds, g, workload_, subject_.model->loaded(), result);
  const auto& file = g == 0 ? subject_.model->loaded().onnx_file : peers_[g - 1].model.file;
  result.file_mib = file_mib(file);
  result.peak_rss_mib = peak_mib(groups_[g], g == 0);
  if (g == 0) {
    result.peak_rss_mib = std::max(subject_.peak_mib, result.peak_rss_mib);
  } else {
    const bool does_the_same = configuration_.length && configuration_.instances == 1 && !configuration_.rate;
    const Average average = does_the_same ? Average::median : Average::rate;
    result.time_over_ours = time_ratio(rounds.of_group[g], rounds.of_group[0], average);
  }
  return result;
}

}  // namespace

Outcome measure_cell(const Subject& subject, const Workload& workload, const Configuration& configuration,
                     const std::vector<PeerEntry>& peers, const Options& options, const Progress& progress) {
  const Disturbance disturbance;
  Outcome outcome;
  std::string what;
  double spread = 0;
  {
    const Cell cell(subject, workload, configuration, peers);
    what = cell.name();
    progress(what, 0);
    cell.check();
    const Rounds rounds = cell.run(options, progress);
    outcome.results = cell.results(rounds);
    spread = cell.spread_of_ours(rounds);
  }
  std::vector<Ratio> ratios;
  for (const Result& each : outcome.results) {
    if (each.time_over_ours) ratios.push_back(*each.time_over_ours);
  }
  // The peers have ended, so what they used counts as ours.
  const auto warning = noise_warning(spread, ratios, disturbance.others());
  if (warning) outcome.warnings.push_back(what + ": " + *warning);
  return outcome;
}

}  // namespace sesame::bench
