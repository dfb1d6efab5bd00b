// Our engine in this process.
#pragma once

#include <functional>
#include <memory>

#include "bench/engines/contestant.h"

namespace sesame::bench {

std::string sesame_version();

class SesameContestant final : public Contestant {
 public:
  SesameContestant(std::shared_ptr<const Model> model, double load_ms, int threads);

  Session& session() { return session_; }
  const Session& session() const { return session_; }

  void prepare(const Workload& workload) override { workload_ = &workload; }
  std::vector<double> time(const Turn& turn) override;
  std::vector<double> serve(std::span<const double> arrivals) override;
  std::vector<NamedOutput> answer(const TokenBatch& batch) override;
  std::optional<double> peak_mib() override;

 private:
  void run(std::size_t i);

  Session session_;
  const Workload* workload_ = nullptr;
};

// Runs requests as Contestant::serve() promises; fn(i) answers request i.
std::vector<double> serve_requests(std::span<const double> arrivals, const std::function<void(std::size_t)>& fn);

}  // namespace sesame::bench
