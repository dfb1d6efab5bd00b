#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "engine/normal_forms/normal_forms.h"
#include "engine/shape_probe.h"

namespace sesame::engine {

namespace {

// The dimensions of a shape as elements of a list (the anchor's dimensions, then constants), each times a factor.
struct Selection {
  std::vector<std::int64_t> indices;
  std::vector<std::int64_t> factors;
  std::vector<std::int64_t> constants;

  bool multiplies() const {
    return std::any_of(factors.begin(), factors.end(), [](std::int64_t factor) { return factor != 1; });
  }
};

// How many times `of` a dimension is, at both probed sizes: a batch that was merged with the heads.
std::optional<std::int64_t> multiple(const ProbedDim& d, const ProbedDim& of) {
  if (of.is_constant() || of.first <= 0 || of.second <= 0 || d.first % of.first != 0) return std::nullopt;
  const std::int64_t factor = d.first / of.first;
  return factor > 0 && d.second == factor * of.second ? std::optional(factor) : std::nullopt;
}

std::optional<Selection> select(const ProbedShape& shape, const ProbedShape& anchor) {
  Selection s;
  for (const ProbedDim& d : shape) {
    s.factors.push_back(1);
    if (d.is_constant()) {
      s.indices.push_back(static_cast<std::int64_t>(anchor.size() + s.constants.size()));
      s.constants.push_back(d.first);
      continue;
    }
    auto it = std::find(anchor.begin(), anchor.end(), d);
    if (it == anchor.end()) {
      it = std::find_if(anchor.begin(), anchor.end(), [&](const ProbedDim& of) { return multiple(d, of).has_value(); });
      if (it == anchor.end()) return std::nullopt;
      s.factors.back() = *multiple(d, *it);
    }
    s.indices.push_back(it - anchor.begin());
  }
  return s;
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

// Gather(Concat(Shape(anchor), constants), indices) * factors
std::vector<Node> anchored(Graph& graph, const Node& shape, ValueId anchor, const Selection& selection) {
  const std::string name = graph.value(shape.output(0)).name;
  const auto vector = [&](const char* what, const std::vector<std::int64_t>& values) {
    return graph.add_constant(name + what,
                              Tensor::of<std::int64_t>({static_cast<std::int64_t>(values.size())}, values));
  };
  const ValueId dims = graph.add_value(name + "/dims");
  const ValueId all = graph.add_value(name + "/all");
  const ValueId output = shape.output(0);
  const ValueId selected = selection.multiplies() ? graph.add_value(name + "/selected") : output;
  std::vector<Node> nodes;
  nodes.push_back(make_node("Shape", {anchor}, dims, 13));
  nodes.back().attributes = {};
  nodes.push_back(make_node("Concat", {dims, vector("/constants", selection.constants)}, all, 13));
  nodes.push_back(make_node("Gather", {all, vector("/indices", selection.indices)}, selected, 13));
  if (selection.multiplies()) {
    nodes.push_back(make_node("Mul", {selected, vector("/factors", selection.factors)}, output, 13));
    nodes.back().attributes = {};
  }
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
      const auto selection = anchor ? select(*shape, *anchor) : std::nullopt;
      if (!selection) continue;
      for (Node& each : anchored(graph, node, graph.inputs[i], *selection)) nodes.push_back(std::move(each));
      replaced = true;
    }
    if (!replaced) nodes.push_back(std::move(node));
  }
  graph.nodes = std::move(nodes);
}

}  // namespace sesame::engine
