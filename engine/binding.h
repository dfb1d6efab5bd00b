// A plan bound to the shapes of its inputs: what every value is, where it lies in the arena, which steps are left to
// run.
#pragma once

#include <cassert>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "engine/arena_layout.h"
#include "engine/plan.h"
#include "sesame/error.h"

namespace sesame::engine {

class Binding {
 public:
  // Infers all shapes, computes what follows from shapes and constants alone, and lays out the arena. Throws Error that
  // names the node. `threads` workers get scratch of their own.
  Binding(const Plan& plan, std::span<const Tensor> inputs, const RunnerOptions& options);

  Binding(const Binding&) = delete;  // its executions point into it
  Binding& operator=(const Binding&) = delete;

  bool fits(std::span<const Tensor> inputs) const;  // same types and shapes
  std::size_t arena_bytes() const { return arena_bytes_; }

  // Points every tensor into an arena of at least arena_bytes(). Free when the arena has not moved.
  void attach(std::byte* arena);

  // Of the passes from here on: at most as many as there is scratch for.
  void use_threads(int threads) {
    assert(threads <= options_.threads);
    run_options_.threads = threads;
  }

  // A node that is left to run, with its tensors and what running it needs; complete once attached.
  struct BoundStep {
    std::size_t node;
    std::vector<Tensor> inputs;
    std::vector<Tensor> outputs;
    std::size_t scratch_offset = 0;
    Execution execution = {};
  };
  // A phase of a step, in the order in which they run.
  struct Phase {
    std::size_t step;   // index in steps()
    std::size_t phase;  // of the step
  };
  const std::vector<BoundStep>& steps() const { return steps_; }
  const std::vector<Phase>& phases() const { return phases_; }
  // Nodes from here on have shapes that depend on values: they are inferred and run one at a time.
  std::size_t first_dynamic_node() const { return first_dynamic_; }

  const std::vector<Tensor>& values() const { return values_; }  // by ValueId, undefined where not known at binding

 private:
  static constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);
  // Where a first output lies that the graph gave no name: operators write it all the same.
  struct Nameless {
    std::size_t step;
    std::size_t offset;
  };

  void infer_nodes();
  bool infer_node(std::size_t n);  // false: its shape needs a value
  void compute_now(std::size_t n, std::span<const Tensor> inputs, std::span<Tensor> outputs);
  std::vector<Buffer> value_buffers();
  std::vector<Buffer> nameless_buffers();
  std::vector<Buffer> scratch_buffers();
  void lay_out_arena();
  void attach(BoundStep& step, std::byte* arena);

  const Plan& plan_;
  const RunnerOptions& options_;
  RunOptions run_options_;
  std::vector<Tensor> inputs_;  // described only
  std::vector<Tensor> values_;
  std::vector<std::size_t> offsets_;  // by ValueId, kNowhere when the value is not in the arena
  std::vector<BoundStep> steps_;
  std::vector<Phase> phases_;
  std::vector<Nameless> nameless_;
  std::size_t first_dynamic_ = 0;
  std::size_t known_bytes_ = 0;  // of the values that were computed while binding
  std::size_t arena_bytes_ = 0;
  std::size_t worker_scratch_offset_ = 0;
  std::size_t worker_scratch_bytes_ = 0;
  std::vector<std::byte*> worker_scratch_;
  std::byte* arena_ = nullptr;
};

// The tensors behind the ids, undefined for kNoValue.
std::vector<Tensor> tensors_of(const std::vector<ValueId>& ids, std::span<const Tensor> values);

// Checks what inference made of a node's outputs, and undefines those that the graph gave no name, so that the step
// skips them; the first one is kept, since operators count on it. Throws Error for a named output that the operator
// does not have.
void settle_outputs(const Node& node, std::span<Tensor> outputs);

// Throws Error when `what` asks for more bytes than the limit.
void require_within(std::size_t bytes, std::size_t limit, const std::string& what);

// Runs fn and puts the node's description in front of the message of an Error.
template <class Fn>
decltype(auto) with_node(const Graph& graph, const Node& node, Fn&& fn) {
  try {
    return fn();
  } catch (const Error& e) {
    throw Error(describe(graph, node) + ": " + e.what());
  }
}

}  // namespace sesame::engine
