#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "engine/normal_forms/normal_forms.h"
#include "engine/shape_probe.h"

namespace sesame::engine {

namespace {

// The dimensions of `shape` as indices into (dimensions of the anchor, then `constants`, which grow as needed).
std::optional<std::vector<std::int64_t>> select(const ProbedShape& shape, const ProbedShape& anchor,
                                                std::vector<std::int64_t>& constants) {
  std::vector<std::int64_t> indices;
  for (const ProbedDim& d : shape) {
    if (d.is_constant()) {
      indices.push_back(static_cast<std::int64_t>(anchor.size() + constants.size()));
      constants.push_back(d.first);
      continue;
    }
    const auto it = std::find(anchor.begin(), anchor.end(), d);
    if (it == anchor.end()) return std::nullopt;
    indices.push_back(it - anchor.begin());
  }
  return indices;
}

Node make_node(std::string op, std::vector<ValueId> inputs, ValueId output, int version) {
  Node node;
  node.op = std::move(op);
  node.version = version;
  node.inputs = std::move(inputs);
  node.outputs = {output};
  node.attributes.set("axis", std::int64_t{0});
  return node;
}

// Gather(Concat(Shape(anchor), constants), indices)
std::vector<Node> anchored(Graph& graph, const Node& shape, ValueId anchor, const std::vector<std::int64_t>& constants,
                           const std::vector<std::int64_t>& indices) {
  const std::string name = graph.value(shape.output(0)).name;
  const auto vector = [&](const char* what, const std::vector<std::int64_t>& values) {
    return graph.add_constant(name + what,
                              Tensor::of<std::int64_t>({static_cast<std::int64_t>(values.size())}, values));
  };
  const ValueId dims = graph.add_value(name + "/dims");
  const ValueId all = graph.add_value(name + "/all");
  std::vector<Node> nodes;
  nodes.push_back(make_node("Shape", {anchor}, dims, 13));
  nodes.back().attributes = {};
  nodes.push_back(make_node("Concat", {dims, vector("/constants", constants)}, all, 13));
  nodes.push_back(make_node("Gather", {all, vector("/indices", indices)}, shape.output(0), 13));
  return nodes;
}

}  // namespace

void anchor_shapes(Graph& graph) {
  const ShapeProbe probe(graph);
  const auto is_input = [&](ValueId id) {
    return std::find(graph.inputs.begin(), graph.inputs.end(), id) != graph.inputs.end();
  };
  std::vector<Node> nodes;
  for (Node& node : graph.nodes) {
    const bool whole = !node.attributes.has("start") && !node.attributes.has("end");
    const auto& shape = node.is("Shape") && whole ? probe.shape(node.input(0)) : std::nullopt;
    bool replaced = false;
    for (std::size_t i = 0; shape && !is_input(node.input(0)) && i < graph.inputs.size() && !replaced; ++i) {
      const auto& anchor = probe.shape(graph.inputs[i]);
      std::vector<std::int64_t> constants;
      const auto indices = anchor ? select(*shape, *anchor, constants) : std::nullopt;
      if (!indices) continue;
      for (Node& each : anchored(graph, node, graph.inputs[i], constants, *indices)) nodes.push_back(std::move(each));
      replaced = true;
    }
    if (!replaced) nodes.push_back(std::move(node));
  }
  graph.nodes = std::move(nodes);
}

}  // namespace sesame::engine
