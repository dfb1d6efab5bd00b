// What shapes does a graph have, whatever sizes come in?
//
// Exporters spell the same reshape as a dozen chains of Shape, Gather, Unsqueeze and Concat. Instead of matching the
// spellings, the probe infers the whole graph twice at different sizes of its symbolic dimensions: a dimension that
// stays is a constant, one that moves is known by its two values. Passes compare those.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
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
  // Symbolic dimensions of graph inputs get sizes by their axis; fixed ones stay. Nodes without a known operator, or
  // whose shapes depend on values, leave their outputs unknown; nothing is thrown.
  explicit ShapeProbe(const Graph& graph);

  // The shape of a value, nothing when it is unknown.
  const std::optional<ProbedShape>& shape(ValueId id) const { return shapes_[static_cast<std::size_t>(id)]; }
  std::size_t rank(ValueId id) const { return shape(id) ? shape(id)->size() : 0; }

  // Whether the value follows from shapes and constants alone, so that it costs nothing once a plan is bound.
  bool follows_from_shapes(ValueId id) const { return known_[static_cast<std::size_t>(id)]; }

  // What the symbolic dimension of axis 0, 1, .. of the inputs was probed as.
  static ProbedDim symbol(std::size_t axis);

 private:
  std::vector<std::optional<ProbedShape>> shapes_;
  std::vector<bool> known_;
};

}  // namespace sesame::engine
