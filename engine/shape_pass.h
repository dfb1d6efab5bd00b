// One inference over a graph at chosen sizes: the shapes of its values, and the values of those that follow from shapes
// and constants alone.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/graph.h"
#include "engine/step.h"

namespace sesame::engine {

// Steps of all nodes, null where there is none; a Linear whose weights are not packed yet has enough of one to be asked
// for shapes.
std::vector<std::shared_ptr<const Step>> shape_steps(const Graph& graph);

// Descriptions of the graph's inputs with these sizes for their symbolic dimensions, by axis, the last one for all
// further axes; undefined where the graph declares none. A dimension whose name was an earlier axis' is that one's
// size: [batch, length, length]. `others` go, one after the other, to names at an axis that had another name before:
// lengths of two texts.
std::vector<Tensor> described_inputs(const Graph& graph, const std::vector<std::int64_t>& sizes,
                                     const std::vector<std::int64_t>& others = {});

// Values are computed while they are small, and up to so many elements in all: a small file can claim any number of
// large ones.
struct ShapePassLimits {
  std::int64_t elements;        // of one tensor
  std::int64_t total_elements;  // of all that are computed
  std::size_t live_bytes;       // of those held at a time
};

class ShapePass {
 public:
  // Nothing is thrown: nodes without a step, or whose shapes depend on values, leave their outputs unknown.
  ShapePass(const Graph& graph, const std::vector<std::shared_ptr<const Step>>& steps,
            const std::vector<Tensor>& inputs, const ShapePassLimits& limits);

  // All nodes; values() then has everything that is known, by ValueId, undefined where unknown.
  void run_all();
  const std::vector<Tensor>& values() const { return values_; }

  // Only the nodes behind this value, giving up what none of them reads any more. Undefined when the value does not
  // follow from shapes and constants, or not within the limits.
  Tensor run_for(ValueId id);

 private:
  std::vector<int> nodes_behind(ValueId id) const;
  void infer(std::size_t node);
  bool is_computable(const Node& node, const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs);

  const Graph& graph_;
  const std::vector<std::shared_ptr<const Step>>& steps_;
  ShapePassLimits limits_;
  std::vector<Tensor> values_;
  std::size_t live_bytes_ = 0;
};

}  // namespace sesame::engine
