#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <utility>

#include "engine/binding.h"
#include "engine/plan.h"
#include "kernels/parallel.h"
#include "sesame/error.h"

namespace sesame::engine {

namespace {

using Clock = std::chrono::steady_clock;

// More would be a slip; OpenMP ends the process when it cannot start as many as it is asked for.
constexpr int kMaxThreads = 1024;

// All bound steps as one list of phases. The binding holds what it takes: a pass allocates nothing.
class PlanPhases final : public kernels::PhaseList {
 public:
  PlanPhases(const Plan& plan, const Binding& binding) : plan_(plan), binding_(binding) {}

  // Set before running, to know when each phase began.
  void record_starts() { starts_.assign(binding_.phases().size() + 1, {}); }

  std::ptrdiff_t items(std::size_t phase) override {
    if (!starts_.empty()) record(phase);
    if (phase >= binding_.phases().size()) return -1;
    const Binding::Phase& at = binding_.phases()[phase];
    const Binding::BoundStep& bound = binding_.steps()[at.step];
    return static_cast<std::ptrdiff_t>(plan_.step(bound.node).items(bound.execution, at.phase));
  }

  void run(std::size_t phase, std::size_t item, int worker) override {
    const Binding::Phase& at = binding_.phases()[phase];
    const Binding::BoundStep& bound = binding_.steps()[at.step];
    with_node(plan_.graph(), plan_.graph().nodes[bound.node],
              [&] { plan_.step(bound.node).run(bound.execution, at.phase, item, worker); });
  }

  void collect(std::vector<PhaseTime>& times) const {
    times.clear();
    for (std::size_t p = 0; p < binding_.phases().size(); ++p) {
      const Binding::Phase& at = binding_.phases()[p];
      const std::chrono::duration<double, std::milli> took = starts_[p + 1] - starts_[p];
      times.push_back({binding_.steps()[at.step].node, at.phase, took.count()});
    }
  }

 private:
  // The first thread to ask for a phase marks its start, which is the end of the one before.
  void record(std::size_t phase) {
    std::size_t expected = phase;
    if (next_start_.compare_exchange_strong(expected, phase + 1)) starts_[phase] = Clock::now();
  }

  const Plan& plan_;
  const Binding& binding_;
  std::vector<Clock::time_point> starts_;
  std::atomic<std::size_t> next_start_ = 0;
};

}  // namespace

Runner::Runner(const Plan& plan, RunnerOptions options)
    : plan_(plan), options_(options), thread_choice_(options.threads) {
  if (options_.threads < 1 || options_.threads > kMaxThreads) {
    throw Error("threads: expected 1 to " + std::to_string(kMaxThreads) + ", found " +
                std::to_string(options_.threads));
  }
}

Runner::~Runner() = default;

void Runner::trim() {
  bindings_.clear();
  arena_ = Tensor();
  dynamic_values_.clear();
  outputs_.clear();
}

void Runner::check_inputs(std::span<const Tensor> inputs) const {
  const Graph& graph = plan_.graph();
  if (inputs.size() != graph.inputs.size()) {
    throw Error("expected " + std::to_string(graph.inputs.size()) + " inputs, found " + std::to_string(inputs.size()));
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Value& value = graph.value(graph.inputs[i]);
    const auto refuse = [&](const std::string& expected, const std::string& found) {
      throw Error("input '" + value.name + "': expected " + expected + ", found " + found);
    };
    if (!inputs[i].has_data()) refuse("a tensor", "none");
    if (value.declared_type && *value.declared_type != inputs[i].type()) {
      refuse(std::string(name(*value.declared_type)), std::string(name(inputs[i].type())));
    }
    if (!value.declared_shape) continue;
    const Shape& want = *value.declared_shape;
    const bool same = std::equal(want.begin(), want.end(), inputs[i].shape().begin(), inputs[i].shape().end(),
                                 [](std::int64_t w, std::int64_t g) { return w < 0 || w == g; });
    if (!same) refuse("shape " + to_string(want), to_string(inputs[i].shape()));
  }
}

Binding& Runner::bind(std::span<const Tensor> inputs) {
  auto it = std::find_if(bindings_.begin(), bindings_.end(), [&](const auto& b) { return b->fits(inputs); });
  if (it == bindings_.end()) {
    auto binding = std::make_unique<Binding>(plan_, inputs, options_);
    if (bindings_.size() >= options_.max_bindings) bindings_.pop_back();
    bindings_.push_front(std::move(binding));
  } else {
    bindings_.splice(bindings_.begin(), bindings_, it);
  }
  Binding& binding = *bindings_.front();
  if (arena_bytes() < binding.arena_bytes()) {
    arena_ = Tensor();  // first give back, then ask
    arena_ = Tensor::allocate_arena(binding.arena_bytes());
  }
  binding.attach(static_cast<std::byte*>(arena_.raw()));
  return binding;
}

std::span<const Tensor> Runner::run(std::span<const Tensor> inputs) {
  check_inputs(inputs);
  Binding& binding = bind(inputs);
  const Graph& graph = plan_.graph();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Tensor& bound = binding.values()[static_cast<std::size_t>(graph.inputs[i])];
    if (inputs[i].bytes() != 0) std::memcpy(bound.raw(), inputs[i].raw(), inputs[i].bytes());
  }
  run_bound_steps(binding);
  const bool dynamic = binding.first_dynamic_node() < graph.nodes.size();
  if (dynamic) run_dynamic_nodes(binding);
  const std::vector<Tensor>& values = dynamic ? dynamic_values_ : binding.values();
  outputs_.resize(graph.outputs.size());
  for (std::size_t i = 0; i < graph.outputs.size(); ++i)
    outputs_[i] = values[static_cast<std::size_t>(graph.outputs[i])];
  return outputs_;
}

void Runner::run_bound_steps(Binding& binding) {
  PlanPhases phases(plan_, binding);
  if (profiling_) phases.record_starts();
  kernels::TeamTimes times;
  binding.use_threads(thread_choice_.threads());
  kernels::run_phases(phases, thread_choice_.threads(), &times);
  thread_choice_.record(times);
  if (profiling_) phases.collect(profile_);
}

void Runner::run_dynamic_nodes(Binding& binding) {
  const Graph& graph = plan_.graph();
  const RunOptions options{options_.threads, options_.padded_positions};
  dynamic_values_ = binding.values();
  std::size_t bytes = 0;
  for (std::size_t n = binding.first_dynamic_node(); n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    const std::vector<Tensor> inputs = tensors_of(node.inputs, dynamic_values_);
    std::vector<Tensor> outputs(node.outputs.size());
    with_node(graph, node, [&] {
      Inference io(inputs, outputs);
      plan_.step(n).infer(io);
      settle_outputs(node, outputs);
      for (Tensor& t : outputs) {
        if (!t) continue;
        bytes += t.bytes();
        require_within(bytes, options_.max_bytes, "what is computed from here on");
        t = Tensor::allocate(t.type(), t.shape());
      }
      run_alone(plan_.step(n), inputs, outputs, kernels::table(options_.isa), options);
    });
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (node.outputs[i] != kNoValue) dynamic_values_[static_cast<std::size_t>(node.outputs[i])] = outputs[i];
    }
  }
}

}  // namespace sesame::engine
