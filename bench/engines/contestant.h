// An engine with a model loaded, to be timed and asked for answers: ours in this process, or a peer in its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/latency.h"
#include "bench/workload.h"
#include "sesame/sesame.h"

namespace sesame::bench {

// What a result says of the engine.
struct EngineFacts {
  std::string engine;   // "sesame", "onnxruntime"
  std::string version;  // of the engine
  std::string isa;      // empty where the engine does not tell
  double load_ms = 0;
  std::optional<double> model_mib;  // as the engine keeps the weights
};

// A float output, copied.
struct NamedOutput {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

// The runs that a contestant does before another has its turn: run i uses the workload's batch i, starting over after
// the last. As many as `runs`, or, when `seconds` is positive, as many as fit, at least one.
struct Turn {
  std::size_t first = 0;
  std::size_t runs = 1;
  double seconds = 0;
};

class Contestant {
 public:
  virtual ~Contestant() = default;

  const EngineFacts& facts() const { return facts_; }

  // Sets what the following calls of time() and serve() run. `workload` must outlive them.
  virtual void prepare(const Workload& workload) = 0;

  // The milliseconds of each run, from ids to outputs; ours from text to answer where the workload has texts.
  virtual std::vector<double> time(const Turn& turn) = 0;

  // One server, first come first served: request i arrives `arrivals[i]` milliseconds (ascending) after the start and
  // is the workload's batch i. The milliseconds of each from arrival to answer, waiting included.
  virtual std::vector<double> serve(std::span<const double> arrivals) = 0;

  // The float outputs, sequences padded on the right to the longest; what they hold there is unspecified.
  virtual std::vector<NamedOutput> answer(const TokenBatch& batch) = 0;

  // The most resident memory of the engine's process since it was loaded.
  virtual std::optional<double> peak_mib() = 0;

 protected:
  EngineFacts facts_;
};

// Times turn's runs of fn(run) as time() promises.
template <class Fn>
std::vector<double> time_turn(const Turn& turn, const Fn& fn) {
  std::vector<double> times;
  double spent = 0;
  while (times.empty() || (turn.seconds > 0 ? spent < turn.seconds * 1000 : times.size() < turn.runs)) {
    const std::size_t run = turn.first + times.size();
    times.push_back(time_once([&] { fn(run); }));
    spent += times.back();
  }
  return times;
}

}  // namespace sesame::bench
