// An engine in a process of its own, spoken to as bench/peers/README.md says.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "bench/engines/child_process.h"
#include "bench/engines/contestant.h"

namespace sesame::bench {

// What the peer is asked to load, and how the graph's inputs are called.
struct PeerModel {
  std::filesystem::path file;
  int threads = 1;
  std::string ids, mask, types;  // empty where the graph has no such input
  std::int64_t pad_id = 0;
  // For a `sesame` as peer.
  std::string precision = "auto";
  std::string attention = "auto";
};

class PeerContestant final : public Contestant {
 public:
  // Starts argv, pinned to `cpus` unless that is empty, and loads. Throws Error that says what the peer said.
  PeerContestant(const std::vector<std::string>& argv, const std::vector<int>& cpus, PeerModel model);

  void prepare(const Workload& workload) override;
  std::vector<double> time(const Turn& turn) override;
  std::vector<double> serve(std::span<const double> arrivals) override;
  std::vector<NamedOutput> answer(const TokenBatch& batch) override;
  std::optional<double> peak_mib() override;

 private:
  std::string ask(const std::string& request);  // throws Error with the peer's words
  void send_workload();
  void send_batches(std::span<const TokenBatch> batches);

  std::string name_;  // in errors
  PeerModel model_;
  ChildProcess process_;
  const Workload* workload_ = nullptr;
  bool workload_is_sent_ = false;
};

}  // namespace sesame::bench
