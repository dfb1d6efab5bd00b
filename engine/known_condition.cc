#include "engine/known_condition.h"

#include <array>
#include <cstdint>
#include <utility>

#include "engine/shape_probe.h"

namespace sesame::engine {

std::optional<bool> known_condition(const Graph& graph, ValueId id) {
  const auto as_bool = [](const Tensor& t) -> std::optional<bool> {
    if (!t || !t.has_data() || t.type() != DType::boolean || t.size() != 1) return std::nullopt;
    return *t.data<bool>();
  };
  if (graph.is_constant(id)) return as_bool(graph.constant(id));
  const ShapeProbe probe(graph);
  const auto known = as_bool(probe.constant(id));
  // Exporters ask whether a dimension is 1, which no probed size is.
  constexpr std::array<std::pair<std::int64_t, std::int64_t>, 3> kSizes = {{{1, 1}, {1, 8}, {3, 1}}};
  for (const auto& [batch, length] : kSizes) {
    if (known && as_bool(probe.value_at(id, batch, length)) != known) return std::nullopt;
  }
  return known;
}

}  // namespace sesame::engine
