// Small questions that pattern matching asks of a graph. A snapshot, like Uses: made anew after the graph has changed.
#pragma once

#include <optional>
#include <string_view>
#include <utility>

#include "engine/graph.h"

namespace sesame::engine {

class Matcher {
 public:
  explicit Matcher(const Graph& graph) : graph_(graph), uses_(graph) {}

  const Graph& graph() const { return graph_; }
  const Uses& uses() const { return uses_; }

  // The node that makes `id` when it is that operator of ai.onnx (or of `domain`), else null.
  const Node* made_by(ValueId id, std::string_view op, std::string_view domain = kOnnx) const;

  // A constant float of one element, [] or [1]: more ones would give what it is combined with more axes.
  std::optional<float> scalar(ValueId id) const;
  bool is_scalar(ValueId id, float value, float relative_tolerance = 1e-6f) const;

  // For a node with two operands, one of which is constant: (the constant, the other). Operands in either order.
  struct Split {
    ValueId constant = kNoValue;
    ValueId other = kNoValue;
  };
  std::optional<Split> constant_operand(const Node& node) const;

  // The operand of a two-operand node that is not `id`, kNoValue when `id` is not among them.
  static ValueId other_operand(const Node& node, ValueId id);

  // A constant float vector [n], n = 0 for any. Not [1, n]: added to less, that gives it an axis.
  bool is_vector(ValueId id, std::int64_t n = 0) const;

 private:
  const Graph& graph_;
  Uses uses_;
};

}  // namespace sesame::engine
