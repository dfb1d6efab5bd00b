#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "engine/normal_forms/emitter.h"
#include "engine/normal_forms/normal_forms.h"
#include "engine/shape_probe.h"

namespace sesame::engine {

namespace {

// Longer than any text that a model takes at once. A condition that holds only near by, a window or a table's end,
// shows itself before.
constexpr std::int64_t kLongText = 1 << 15;

// Whether the value is bool, follows from shapes, varies along one axis at most, and is true everywhere.
bool is_always_true(const ShapeProbe& probe, ValueId id) {
  const auto& shape = probe.shape(id);
  if (!shape || !probe.follows_from_shapes(id) || probe.type(id) != DType::boolean) return false;
  if (std::count_if(shape->begin(), shape->end(), [](const ProbedDim& d) { return !d.is(1); }) > 1) return false;
  const Tensor value = probe.value_at(id, 1, kLongText);
  if (!value || !value.has_data() || value.size() == 0) return false;
  const auto all = value.span<bool>();
  return std::all_of(all.begin(), all.end(), [](bool b) { return b; });
}

// Of an And, the operand that decides; nothing when both do.
std::optional<std::size_t> deciding_operand(const ShapeProbe& probe, const Node& node) {
  if (!node.is("And") || node.inputs.size() != 2 || !probe.shape(node.output(0))) return std::nullopt;
  for (std::size_t i = 0; i < 2; ++i) {
    if (probe.shape(node.input(i)) && is_always_true(probe, node.input(1 - i))) return i;
  }
  return std::nullopt;
}

}  // namespace

bool spread_conditions(Graph& graph) {
  const bool any = std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& n) { return n.is("And"); });
  if (!any) return false;
  const ShapeProbe probe(graph);
  std::vector<std::pair<std::size_t, std::size_t>> found;  // node, operand
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (const auto operand = deciding_operand(probe, graph.nodes[n])) found.emplace_back(n, *operand);
  }
  if (found.empty()) return false;
  std::vector<Node> nodes;
  std::size_t next = 0;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    Node& node = graph.nodes[n];
    if (next == found.size() || found[next].first != n) {
      nodes.push_back(std::move(node));
      continue;
    }
    const std::size_t operand = found[next++].second;
    Emitter e(graph, nodes, graph.value(node.output(0)).name);
    const ValueId shape = e.emit("Shape", 13, {node.inputs[1 - operand]});
    e.emit_to(node.output(0), "Expand", 13, {node.inputs[operand], shape});
  }
  graph.nodes = std::move(nodes);
  remove_dead_nodes(graph);
  return true;
}

}  // namespace sesame::engine
