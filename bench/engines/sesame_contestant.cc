#include "bench/engines/sesame_contestant.h"

#include <chrono>
#include <thread>

#include "bench/memory.h"
#include "kernels/isa.h"
#include "models/model.h"

namespace sesame::bench {

std::string sesame_version() { return SESAME_VERSION; }

SesameContestant::SesameContestant(std::shared_ptr<const Model> model, double load_ms, int threads)
    : session_(std::move(model), {.threads = threads}) {
  facts_ = {.engine = "sesame",
            .version = sesame_version(),
            .isa = std::string(kernels::name(kernels::default_isa())),
            .load_ms = load_ms,
            .model_mib = static_cast<double>(session_.model().loaded().weight_bytes) / 0x1p20};
}

void SesameContestant::run(std::size_t i) {
  if (!workload_->is_text()) {
    session_.run(workload_->batch(i));
    return;
  }
  const auto& texts = workload_->texts[i % workload_->texts.size()];
  if (!session_.model().labels().empty()) {
    session_.classify(texts);
    return;
  }
  session_.run(tokenize(session_.model().loaded(), texts));
}

std::vector<double> SesameContestant::time(const Turn& turn) {
  return time_turn(turn, [&](std::size_t i) { run(i); });
}

std::vector<double> SesameContestant::serve(std::span<const double> arrivals) {
  return serve_requests(arrivals, [&](std::size_t i) { run(i); });
}

std::vector<NamedOutput> SesameContestant::answer(const TokenBatch& batch) {
  std::vector<NamedOutput> kept;
  for (const Output& each : session_.run(batch)) {
    kept.push_back(
        {std::string(each.name), {each.shape.begin(), each.shape.end()}, {each.values.begin(), each.values.end()}});
  }
  return kept;
}

std::optional<double> SesameContestant::peak_mib() { return peak_resident_mib(); }

std::vector<double> serve_requests(std::span<const double> arrivals, const std::function<void(std::size_t)>& fn) {
  using Clock = std::chrono::steady_clock;
  using Milliseconds = std::chrono::duration<double, std::milli>;
  std::vector<double> times;
  const auto start = Clock::now();
  for (std::size_t i = 0; i < arrivals.size(); ++i) {
    const auto arrival = start + std::chrono::duration_cast<Clock::duration>(Milliseconds(arrivals[i]));
    // A sleep may end late, so the last of the waiting is done awake; peers do the same.
    std::this_thread::sleep_until(arrival - std::chrono::milliseconds(3));
    while (Clock::now() < arrival) {
    }
    fn(i);
    times.push_back(Milliseconds(Clock::now() - arrival).count());
  }
  return times;
}

}  // namespace sesame::bench
