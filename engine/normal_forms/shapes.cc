#include <algorithm>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/normal_forms/normal_forms.h"
#include "engine/shape_probe.h"

namespace sesame::engine {

namespace {

// The dimensions of a shape, each as the product of two elements of a list: the anchor's dimensions, then constants.
struct Selection {
  std::vector<std::int64_t> indices;
  std::vector<std::int64_t> factors;  // as indices; kNone: 1
  std::vector<std::int64_t> constants;

  static constexpr std::int64_t kNone = -1;
  bool multiplies() const {
    return std::any_of(factors.begin(), factors.end(), [](std::int64_t factor) { return factor != kNone; });
  }
};

// How many times `of` a dimension is, at both probed sizes: a batch that was merged with the heads.
std::optional<std::int64_t> multiple(const ProbedDim& d, const ProbedDim& of) {
  if (of.is_constant() || of.first <= 0 || of.second <= 0 || d.first % of.first != 0) return std::nullopt;
  const std::int64_t factor = d.first / of.first;
  return factor > 0 && d.second == factor * of.second ? std::optional(factor) : std::nullopt;
}

// Which two dimensions of the anchor a dimension is the product of: choices that were merged with the batch.
std::optional<std::pair<std::int64_t, std::int64_t>> product(const ProbedDim& d, const ProbedShape& anchor) {
  for (std::size_t i = 0; i < anchor.size(); ++i) {
    for (std::size_t j = i + 1; j < anchor.size(); ++j) {
      const bool varies = !anchor[i].is_constant() && !anchor[j].is_constant();
      if (varies && d.first == anchor[i].first * anchor[j].first && d.second == anchor[i].second * anchor[j].second) {
        return std::pair(static_cast<std::int64_t>(i), static_cast<std::int64_t>(j));
      }
    }
  }
  return std::nullopt;
}

std::optional<Selection> select(std::span<const ProbedDim> shape, const ProbedShape& anchor) {
  Selection s;
  const auto constant = [&](std::int64_t n) {
    s.constants.push_back(n);
    return static_cast<std::int64_t>(anchor.size() + s.constants.size()) - 1;
  };
  for (const ProbedDim& d : shape) {
    s.factors.push_back(Selection::kNone);
    if (d.is_constant()) {
      s.indices.push_back(constant(d.first));
      continue;
    }
    auto it = std::find(anchor.begin(), anchor.end(), d);
    if (it == anchor.end()) {
      if (const auto both = product(d, anchor)) {
        s.indices.push_back(both->first);
        s.factors.back() = both->second;
        continue;
      }
      it = std::find_if(anchor.begin(), anchor.end(), [&](const ProbedDim& of) { return multiple(d, of).has_value(); });
      if (it == anchor.end()) return std::nullopt;
      s.factors.back() = constant(*multiple(d, *it));
    }
    s.indices.push_back(it - anchor.begin());
  }
  if (s.multiplies()) {
    const std::int64_t one = constant(1);
    std::replace(s.factors.begin(), s.factors.end(), Selection::kNone, one);
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

// Gather(list, indices) * Gather(list, factors), where list = Concat(Shape(anchor), constants)
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
    const ValueId factors = graph.add_value(name + "/times");
    nodes.push_back(make_node("Gather", {all, vector("/factors", selection.factors)}, factors, 13));
    nodes.push_back(make_node("Mul", {selected, factors}, output, 13));
    nodes.back().attributes = {};
  }
  return nodes;
}

// The dimensions that a Shape gives.
std::span<const ProbedDim> dimensions(const Node& node, const ProbedShape& shape) {
  const auto rank = static_cast<std::int64_t>(shape.size());
  const auto at = [&](std::int64_t axis) { return std::clamp<std::int64_t>(axis < 0 ? axis + rank : axis, 0, rank); };
  const std::int64_t start = at(node.attributes.integer("start", 0)), end = at(node.attributes.integer("end", rank));
  return std::span(shape).subspan(static_cast<std::size_t>(start),
                                  static_cast<std::size_t>(std::max<std::int64_t>(end - start, 0)));
}

}  // namespace

void anchor_shapes(Graph& graph) {
  const ShapeProbe probe(graph);
  const auto is_input = [&](ValueId id) {
    return std::find(graph.inputs.begin(), graph.inputs.end(), id) != graph.inputs.end();
  };
  std::vector<Node> nodes;
  for (Node& node : graph.nodes) {
    const auto& shape = node.is("Shape") ? probe.shape(node.input(0)) : std::nullopt;
    bool replaced = false;
    for (std::size_t i = 0; shape && !is_input(node.input(0)) && i < graph.inputs.size() && !replaced; ++i) {
      const auto& anchor = probe.shape(graph.inputs[i]);
      const auto selection = anchor ? select(dimensions(node, *shape), *anchor) : std::nullopt;
      if (!selection) continue;
      for (Node& each : anchored(graph, node, graph.inputs[i], *selection)) nodes.push_back(std::move(each));
      replaced = true;
    }
    if (!replaced) nodes.push_back(std::move(node));
  }
  graph.nodes = std::move(nodes);
}

}  // namespace sesame::engine
