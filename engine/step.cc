#include "engine/step.h"

#include <limits>
#include <string>
#include <utility>

#include "kernels/pack.h"
#include "kernels/parallel.h"
#include "sesame/error.h"

namespace sesame::engine {

const Tensor& Inference::input(std::size_t i) const {
  if (!has(i)) throw Error("input " + std::to_string(i) + " is missing");
  return inputs_[i];
}

const Tensor& Inference::value(std::size_t i) const {
  const Tensor& tensor = input(i);
  if (!tensor.has_data()) throw NeedsValue{};
  return tensor;
}

std::size_t Step::scratch_bytes(std::span<const Tensor>, std::span<const Tensor>) const { return 0; }
std::size_t Step::worker_scratch_bytes(std::span<const Tensor>, std::span<const Tensor>) const { return 0; }

namespace {

// The phases of one step, for the team.
class StepPhases final : public kernels::PhaseList {
 public:
  StepPhases(const Step& step, const Execution& execution) : step_(step), execution_(execution) {}

  std::ptrdiff_t items(std::size_t phase) override {
    return phase < step_.phases() ? static_cast<std::ptrdiff_t>(step_.items(execution_, phase)) : -1;
  }
  void run(std::size_t phase, std::size_t item, int worker) override { step_.run(execution_, phase, item, worker); }

 private:
  const Step& step_;
  const Execution& execution_;
};

}  // namespace

void run_alone(const Step& step, std::span<const Tensor> inputs, std::span<Tensor> outputs,
               const kernels::Table& kernels, const RunOptions& options) {
  const auto threads = static_cast<std::size_t>(options.threads);
  const std::size_t shared = kernels::round_up(step.scratch_bytes(inputs, outputs), 64);
  const std::size_t each = kernels::round_up(step.worker_scratch_bytes(inputs, outputs), 64);
  const Tensor memory = Tensor::allocate(DType::u8, {static_cast<std::int64_t>(shared + each * threads)});
  auto* base = static_cast<std::byte*>(memory.raw());
  std::vector<std::byte*> worker_scratch(threads);
  for (std::size_t w = 0; w < threads; ++w) worker_scratch[w] = base + shared + w * each;
  const Execution execution{inputs, outputs, &kernels, &options, base, worker_scratch};
  StepPhases phases(step, execution);
  kernels::run_phases(phases, options.threads);
}

void Registry::add(std::string_view domain, std::string_view op, int since, int until, StepFactory factory) {
  entries_[{std::string(domain), std::string(op)}].push_back({since, until, std::move(factory)});
}

void Registry::add(std::string_view domain, std::string_view op, int since, StepFactory factory) {
  add(domain, op, since, std::numeric_limits<int>::max(), std::move(factory));
}

const StepFactory* Registry::find(const Node& node) const {
  const auto it = entries_.find({node.domain, node.op});
  if (it == entries_.end()) return nullptr;
  for (const Entry& entry : it->second) {
    if (entry.since <= node.version && node.version <= entry.until) return &entry.factory;
  }
  return nullptr;
}

}  // namespace sesame::engine
