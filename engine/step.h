// A step of a plan: what it reads and writes, what scratch it needs, and its work as phases of independent items.
//
// An ONNX operator is a step with one phase of one item (Operator, below, makes that short to write); a recognised
// encoder is one step of many phases. Steps are const after construction and shared by the threads of all sessions;
// what a pass over the plan needs is in Execution.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/graph.h"
#include "engine/tensor.h"
#include "kernels/table.h"

namespace sesame::engine {

// Thrown by Inference::value when an output's shape depends on a value that is known only while running.
struct NeedsValue {};

// Shape inference: describes the outputs from the inputs. The types and shapes of all inputs are known; the values of
// some (constants, and what follows from shapes alone) as well.
class Inference {
 public:
  Inference(std::span<const Tensor> inputs, std::span<Tensor> outputs) : inputs_(inputs), outputs_(outputs) {}

  std::size_t input_count() const { return inputs_.size(); }
  std::size_t output_count() const { return outputs_.size(); }
  bool has(std::size_t i) const { return i < inputs_.size() && static_cast<bool>(inputs_[i]); }
  // The i-th input's description. Throws Error when it was left out.
  const Tensor& input(std::size_t i) const;
  // The i-th input with its data. Throws NeedsValue when the data is not known yet.
  const Tensor& value(std::size_t i) const;
  void output(std::size_t i, DType type, Shape shape) {
    if (i < outputs_.size()) outputs_[i] = Tensor(type, std::move(shape));
  }

 private:
  std::span<const Tensor> inputs_;
  std::span<Tensor> outputs_;
};

struct RunOptions {
  int threads = 1;
  // Compute the rows of padded positions too. Off: what a masked-out position holds in an output is unspecified
  // (zeros), as text in, answer out wants it; on: as the graph says, for raw tensors.
  bool padded_positions = true;
};

// What one pass over a step sees: inputs and outputs with their memory.
struct Execution {
  std::span<const Tensor> inputs;  // undefined where left out
  std::span<const Tensor>
      outputs;  // with memory, as inferred; undefined where the graph gave it no name, except the first
  const kernels::Table* kernels;
  const RunOptions* options;
  std::byte* scratch;                          // Step::scratch_bytes, 64-byte aligned, shared by all items of the step
  std::span<std::byte* const> worker_scratch;  // Step::worker_scratch_bytes for each worker, 64-byte aligned

  bool has(std::size_t i) const { return i < inputs.size() && static_cast<bool>(inputs[i]); }
};

class Step {
 public:
  virtual ~Step() = default;

  virtual void infer(Inference& io) const = 0;
  virtual std::size_t scratch_bytes(std::span<const Tensor> inputs, std::span<const Tensor> outputs) const;
  virtual std::size_t worker_scratch_bytes(std::span<const Tensor> inputs, std::span<const Tensor> outputs) const;
  virtual std::size_t phases() const { return 1; }
  // Items of a phase (0 skips it); may depend on what earlier phases computed. See kernels/parallel.h.
  virtual std::size_t items(const Execution& e, std::size_t phase) const = 0;
  virtual void run(const Execution& e, std::size_t phase, std::size_t item, int worker) const = 0;
  // Memory of the step's own: packed weights and tables.
  virtual std::size_t weight_bytes() const { return 0; }
  // Of a step that multiplies rows by a matrix: multiply-adds for one row. 0 for others.
  virtual double multiply_adds_per_row() const { return 0; }
  // What a profile calls the phase; empty: the node's operator.
  virtual std::string phase_name(std::size_t) const { return {}; }
};

// A step of one phase and one item.
class Operator : public Step {
 public:
  // May throw Error where values turn out to be invalid (an index out of range).
  virtual void compute(const Execution& e) const = 0;

  std::size_t items(const Execution&, std::size_t) const final { return 1; }
  void run(const Execution& e, std::size_t, std::size_t, int) const final { compute(e); }
};

// Runs one step by itself on the calling thread, with scratch memory of its own. The outputs have their memory.
void run_alone(const Step& step, std::span<const Tensor> inputs, std::span<Tensor> outputs,
               const kernels::Table& kernels, const RunOptions& options);

// Makes the step for a node: looks the operator up by domain, name and opset version, and checks attributes and the
// number of inputs. Throws Error for an operator, version or attribute that is not supported; the caller adds the
// node's name.
std::unique_ptr<Step> make_step(const Graph& graph, const Node& node);

// Whether make_step knows the operator in that version, attributes aside.
bool is_supported(const Node& node);

// How operators get into make_step's table: each file of operators/ defines one function `void register_*(Registry&)`,
// listed in operators/registry.cc. Rooms above need no entry: a pass attaches their steps to nodes (Node::step).
using StepFactory = std::function<std::unique_ptr<Step>(const Graph&, const Node&)>;

class Registry {
 public:
  // For opset versions [since, until] of the domain.
  void add(std::string_view domain, std::string_view op, int since, int until, StepFactory factory);
  void add(std::string_view domain, std::string_view op, int since, StepFactory factory);
  void add(std::string_view op, int since, StepFactory factory) { add(kOnnx, op, since, std::move(factory)); }
  const StepFactory* find(const Node& node) const;

 private:
  struct Entry {
    int since;
    int until;
    StepFactory factory;
  };
  std::map<std::pair<std::string, std::string>, std::vector<Entry>> entries_;  // by domain and operator
};

}  // namespace sesame::engine
