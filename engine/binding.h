// A plan bound to the shapes of its inputs: what every value is, where it lies in the arena, which steps are left to
// run.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "engine/plan.h"
#include "sesame/error.h"

namespace sesame::engine {

class Binding {
 public:
  // Infers all shapes, computes what follows from shapes and constants alone, and lays out the arena. Throws Error that
  // names the node. `threads` workers get scratch of their own.
  Binding(const Plan& plan, std::span<const Tensor> inputs, const RunnerOptions& options);

  bool fits(std::span<const Tensor> inputs) const;  // same shapes
  std::size_t arena_bytes() const { return arena_bytes_; }

  // Points every tensor into an arena of at least arena_bytes(). Cheap when the arena has not moved.
  void attach(std::byte* arena);

  // A node that is left to run, with its tensors.
  struct BoundStep {
    std::size_t node;
    std::vector<Tensor> inputs;
    std::vector<Tensor> outputs;
    std::size_t scratch_offset = 0;
    std::byte* scratch = nullptr;
  };
  const std::vector<BoundStep>& steps() const { return steps_; }
  std::vector<BoundStep>& steps() { return steps_; }
  // Nodes from here on have shapes that depend on values: they are inferred and run one at a time.
  std::size_t first_dynamic_node() const { return first_dynamic_; }

  const std::vector<Tensor>& values() const { return values_; }  // by ValueId, undefined where not known at binding
  std::span<std::byte* const> worker_scratch() const { return worker_scratch_; }

 private:
  static constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);

  void infer_nodes();
  bool infer_node(std::size_t n);  // false: its shape needs a value
  void compute_now(std::size_t n, std::span<const Tensor> inputs, std::span<Tensor> outputs);
  void lay_out_arena();

  const Plan& plan_;
  const RunnerOptions& options_;
  std::vector<Shape> input_shapes_;
  std::vector<Tensor> values_;
  std::vector<std::size_t> offsets_;  // by ValueId, kNowhere when the value is not in the arena
  std::vector<BoundStep> steps_;
  std::size_t first_dynamic_ = 0;
  std::size_t arena_bytes_ = 0;
  std::size_t worker_scratch_offset_ = 0;
  std::size_t worker_scratch_bytes_ = 0;
  std::vector<std::byte*> worker_scratch_;
  std::byte* arena_ = nullptr;
};

// The tensors behind the ids, undefined for kNoValue.
std::vector<Tensor> tensors_of(const std::vector<ValueId>& ids, std::span<const Tensor> values);

// Undefines the outputs that the node's graph gave no name: steps skip those.
void drop_unnamed_outputs(const Node& node, std::span<Tensor> outputs);

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
