// What shapes does a graph have, whatever sizes come in?
//
// Exporters spell the same reshape as a dozen chains of Shape, Gather, Unsqueeze and Concat. Instead of matching the
// spellings, the probe infers the whole graph twice at different sizes of its symbolic dimensions: a dimension that
// stays is a constant, one that moves is known by its two values. Passes compare those.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/graph.h"

namespace sesame::engine {

// A dimension at the two probed sizes.
struct ProbedDim {
  std::int64_t first = 0;
  std::int64_t second = 0;

  bool operator==(const ProbedDim&) const = default;
  bool is_constant() const { return first == second; }
  bool is(std::int64_t n) const { return first == n && second == n; }
};

using ProbedShape = std::vector<ProbedDim>;

class ShapeProbe {
 public:
  // Symbolic dimensions of graph inputs get sizes by their axis, or by the axis that had the same name before; fixed
  // ones stay. Where more of the graph fits together that way, or as much, further names at an axis get sizes of their
  // own (two texts), or axes 2 and up that of axis 1 ([batch, length, length] without names). Nodes without a known
  // operator, or whose shapes depend on values, leave their outputs unknown; nothing is thrown. The graph must stay as
  // it is and outlive the probe.
  explicit ShapeProbe(const Graph& graph);

  // The shape of a value, nothing when it is unknown.
  const std::optional<ProbedShape>& shape(ValueId id) const { return id < 0 ? unknown_ : shapes_[index(id)]; }
  std::size_t rank(ValueId id) const { return shape(id) ? shape(id)->size() : 0; }

  // The element type of a value whose shape is known.
  DType type(ValueId id) const { return types_[index(id)]; }

  // Whether the value follows from shapes and constants alone, so that it costs nothing once a plan is bound.
  bool follows_from_shapes(ValueId id) const { return static_cast<bool>(value(id)); }
  // Such a value at the second of the probed sizes; undefined for others.
  const Tensor& value(ValueId id) const { return id < 0 ? no_value_ : values_[index(id)]; }

  // The same, where it is what it is at both sizes.
  const Tensor& constant(ValueId id) const { return id < 0 || !stays_[index(id)] ? no_value_ : values_[index(id)]; }

  // A value that follows from shapes and constants, with these sizes for the first axis of the graph's inputs and for
  // all others where they are symbolic. Computed from the nodes behind it alone; the last few are remembered. Undefined
  // when it does not follow, or would take very much memory or time.
  Tensor value_at(ValueId id, std::int64_t batch, std::int64_t length) const;

  // What the symbolic dimension of axis 0, 1, .. of the inputs was probed as.
  static ProbedDim symbol(std::size_t axis);

 private:
  // Describes all values; how many are known.
  std::size_t probe(std::span<const ProbedDim> symbols, std::span<const ProbedDim> others);

  static std::size_t index(ValueId id) { return static_cast<std::size_t>(id); }

  const Graph& graph_;
  std::vector<std::shared_ptr<const Step>> steps_;
  std::vector<std::optional<ProbedShape>> shapes_;
  std::vector<DType> types_;
  std::vector<Tensor> values_;
  std::vector<bool> stays_;  // same value at both sizes

  struct Evaluated {
    ValueId id;
    std::int64_t batch;
    std::int64_t length;
    Tensor value;
  };
  mutable std::list<Evaluated> evaluated_;  // last used first
  std::optional<ProbedShape> unknown_;
  Tensor no_value_;
};

}  // namespace sesame::engine
