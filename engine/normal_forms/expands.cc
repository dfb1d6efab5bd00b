#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/normal_forms/emitter.h"
#include "engine/normal_forms/normal_forms.h"
#include "engine/shape_probe.h"

namespace sesame::engine {

namespace {

constexpr std::array<std::string_view, 22> kElementwise = {
    "Add", "And",         "Cast", "Div", "Equal", "Erf", "Exp", "Greater", "GreaterOrEqual", "IsNaN", "Less",
    "Mul", "LessOrEqual", "Neg",  "Not", "Or",    "Pow", "Sub", "Tanh",    "Where",          "Xor",   "Abs"};

struct Expanded {
  ValueId from;
  ValueId shape;  // what Expand took
};

class Sinking {
 public:
  explicit Sinking(Graph& graph) : graph_(graph), probe_(graph) {}

  bool run() {
    for (Node& node : graph_.nodes) {
      if (node.is("Expand") && node.inputs.size() == 2 && node.output(0) != kNoValue) {
        expanded_[node.output(0)] = {node.input(0), node.input(1)};
      }
      if (!sink(node)) nodes_.push_back(std::move(node));
    }
    graph_.nodes = std::move(nodes_);
    if (changed_) remove_dead_nodes(graph_);
    return changed_;
  }

 private:
  std::optional<ProbedShape> shape(ValueId id) const {
    const auto it = made_.find(id);
    return it != made_.end() ? it->second : probe_.shape(id);
  }

  // What two operands broadcast to, nothing when they do not fit.
  static std::optional<ProbedShape> broadcast(const ProbedShape& a, const ProbedShape& b) {
    ProbedShape out(std::max(a.size(), b.size()), ProbedDim{1, 1});
    for (std::size_t i = 0; i < out.size(); ++i) {
      const ProbedDim one{1, 1};
      const ProbedDim x = i < a.size() ? a[a.size() - 1 - i] : one;
      const ProbedDim y = i < b.size() ? b[b.size() - 1 - i] : one;
      if (x != y && !x.is(1) && !y.is(1)) return std::nullopt;
      out[out.size() - 1 - i] = x.is(1) ? y : x;
    }
    return out;
  }

  // The operator on what was expanded, and the Expand behind it: where one operand's Expand gives the whole result.
  bool sink(const Node& node) {
    if (node.domain != kOnnx || node.outputs.size() != 1 || node.output(0) == kNoValue) return false;
    if (std::find(kElementwise.begin(), kElementwise.end(), node.op) == kElementwise.end()) return false;
    const auto whole = shape(node.output(0));
    ValueId target = kNoValue;
    ProbedShape inner;
    Node moved = node;
    for (ValueId& id : moved.inputs) {
      if (id == kNoValue) return false;
      const auto it = expanded_.find(id);
      if (it != expanded_.end()) {
        if (whole && shape(id) == whole) target = it->second.shape;
        id = it->second.from;
      }
      const auto own = shape(id);
      const auto both = own ? broadcast(inner, *own) : std::nullopt;
      if (!both) return false;
      inner = *both;
    }
    if (target == kNoValue || inner == *whole) return false;
    const ValueId output = node.output(0);
    const ValueId small = graph_.add_value(graph_.value(output).name + "/small");
    moved.outputs = {small};
    nodes_.push_back(std::move(moved));
    Emitter(graph_, nodes_, node.name).emit_to(output, "Expand", 13, {small, target});
    made_[small] = inner;
    expanded_[output] = {small, target};
    return changed_ = true;
  }

  Graph& graph_;
  const ShapeProbe probe_;
  std::vector<Node> nodes_;
  std::map<ValueId, Expanded> expanded_;
  std::map<ValueId, ProbedShape> made_;
  bool changed_ = false;
};

}  // namespace

bool sink_expands(Graph& graph) {
  const bool any = std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& n) { return n.is("Expand"); });
  return any && Sinking(graph).run();
}

}  // namespace sesame::engine
