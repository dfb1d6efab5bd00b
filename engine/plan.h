// Graph -> plan -> answers.
//
// A Plan is the graph with a step for every node; const, shared by threads. A Runner belongs to one thread: it binds
// the plan to the shapes of its inputs (every buffer gets its offset in one arena), then runs it as one list of phases.
// The same shapes again bind nothing and allocate nothing.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/graph.h"
#include "engine/step.h"
#include "engine/thread_choice.h"
#include "kernels/table.h"

namespace sesame::engine {

class Plan {
 public:
  // Makes a step for each node that has none. Throws Error that names the node.
  explicit Plan(Graph graph);
  ~Plan();
  Plan(const Plan&) = delete;  // runners point into it
  Plan& operator=(const Plan&) = delete;

  const Graph& graph() const { return graph_; }
  const Step& step(std::size_t node) const { return *steps_[node]; }
  std::size_t steps() const { return steps_.size(); }

 private:
  Graph graph_;
  std::vector<std::shared_ptr<const Step>> steps_;  // parallel to graph_.nodes
};

// Time spent in one phase of one step in the last pass.
struct PhaseTime {
  std::size_t node;
  std::size_t phase;
  double milliseconds;
};

struct RunnerOptions {
  kernels::Isa isa = kernels::default_isa();
  int threads = 1;  // 1 to 1024 at most, and fewer while more don't help (thread_choice.h)
  bool padded_positions = true;
  // No single buffer and no arena may be larger: a graph that asks for more is refused before anything is allocated.
  std::size_t max_bytes = std::size_t{8} << 30;
  std::size_t max_bindings = 16;  // shapes remembered
};

class Binding;

// Not copyable: it owns the arena that its outputs point into.
class Runner {
 public:
  Runner(const Plan& plan, RunnerOptions options);
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // Inputs in the order of graph().inputs; outputs in the order of graph().outputs, valid until the next call of this
  // runner. Throws Error: an input of the wrong type or rank, shapes that do not fit, an id out of range.
  std::span<const Tensor> run(std::span<const Tensor> inputs);

  // Gives the arena and the remembered shapes back to the system. The next run allocates anew.
  void trim();
  std::size_t arena_bytes() const { return arena_ ? arena_.bytes() : 0; }

  // When on, run() records the time of every phase of every step.
  void set_profiling(bool on) { profiling_ = on; }
  const std::vector<PhaseTime>& profile() const { return profile_; }

 private:
  Binding& bind(std::span<const Tensor> inputs);
  void check_inputs(std::span<const Tensor> inputs) const;
  void run_bound_steps(Binding& binding);
  void run_dynamic_nodes(Binding& binding);

  const Plan& plan_;
  const RunnerOptions options_;
  ThreadChoice thread_choice_;
  std::list<std::unique_ptr<Binding>> bindings_;  // most recently used first
  Tensor arena_;
  std::vector<Tensor> dynamic_values_;  // by ValueId, when shapes depend on values
  std::vector<Tensor> outputs_;
  std::vector<PhaseTime> profile_;
  bool profiling_ = false;
};

}  // namespace sesame::engine
