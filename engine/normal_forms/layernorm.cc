#include <algorithm>
#include <optional>
#include <utility>

#include "engine/normal_forms/matcher.h"
#include "engine/normal_forms/normal_forms.h"

namespace sesame::engine {

namespace {

struct LayerNorm {
  ValueId x;
  ValueId gamma;
  ValueId beta;
  float epsilon;
};

// The value that `id` is the mean of over the last axis, kept as an axis of 1.
ValueId mean_of(const Matcher& m, ValueId id) {
  const Node* mean = m.made_by(id, "ReduceMean");
  if (mean == nullptr || mean->attributes.integer("keepdims", 1) != 1) return kNoValue;
  std::vector<std::int64_t> axes;
  if (const auto attribute = mean->attributes.maybe_integers("axes")) axes = *attribute;
  if (m.graph().is_constant(mean->input(1))) axes = to_int64s(m.graph().constant(mean->input(1)));
  // A positive last axis would need the rank; exporters write -1, or 2 for the [batch, seq, hidden] of an encoder.
  const bool last = axes.size() == 1 && (axes[0] == -1 || axes[0] == 2);
  return last ? mean->inputs[0] : kNoValue;
}

// x when `id` is x - mean(x).
ValueId centred(const Matcher& m, ValueId id) {
  const Node* sub = m.made_by(id, "Sub");
  return sub != nullptr && mean_of(m, sub->inputs[1]) == sub->inputs[0] ? sub->inputs[0] : kNoValue;
}

// v when `id` is v squared.
ValueId squared(const Matcher& m, ValueId id) {
  if (const Node* pow = m.made_by(id, "Pow")) return m.is_scalar(pow->inputs[1], 2) ? pow->inputs[0] : kNoValue;
  const Node* mul = m.made_by(id, "Mul");
  return mul != nullptr && mul->inputs[0] == mul->inputs[1] ? mul->inputs[0] : kNoValue;
}

// (x - mean) / sqrt(mean((x - mean)^2) + epsilon)
std::optional<LayerNorm> match_normalized(const Matcher& m, ValueId id) {
  const Node* div = m.made_by(id, "Div");
  if (div == nullptr) return std::nullopt;
  const ValueId x = centred(m, div->inputs[0]);
  const Node* sqrt = m.made_by(div->inputs[1], "Sqrt");
  const Node* add = sqrt ? m.made_by(sqrt->inputs[0], "Add") : nullptr;
  if (x == kNoValue || add == nullptr) return std::nullopt;
  const auto split = m.constant_operand(*add);
  const auto epsilon = split ? m.scalar(split->constant) : std::nullopt;
  if (!epsilon) return std::nullopt;
  const ValueId deviation = squared(m, mean_of(m, split->other));
  if (deviation == kNoValue || centred(m, deviation) != x) return std::nullopt;
  return LayerNorm{x, kNoValue, kNoValue, *epsilon};
}

std::optional<LayerNorm> match_layernorm(const Matcher& m, const Node& node) {
  if (!node.is("Add")) return std::nullopt;
  const auto shift = m.constant_operand(node);
  const Node* mul = shift ? m.made_by(shift->other, "Mul") : nullptr;
  const auto scale = mul ? m.constant_operand(*mul) : std::nullopt;
  if (!scale || !m.is_vector(scale->constant)) return std::nullopt;
  if (!m.is_vector(shift->constant, m.graph().constant(scale->constant).shape().back())) return std::nullopt;
  auto layernorm = match_normalized(m, scale->other);
  if (layernorm) {
    layernorm->gamma = scale->constant;
    layernorm->beta = shift->constant;
  }
  return layernorm;
}

}  // namespace

void form_layernorms(Graph& graph) {
  const Matcher m(graph);
  std::vector<std::pair<std::size_t, LayerNorm>> found;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (const auto layernorm = match_layernorm(m, graph.nodes[n])) found.emplace_back(n, *layernorm);
  }
  for (const auto& [n, layernorm] : found) {
    Node& node = graph.nodes[n];
    node.op = "LayerNormalization";
    node.version = 17;
    node.inputs = {layernorm.x, layernorm.gamma, layernorm.beta};
    node.attributes = {};
    node.attributes.set("axis", std::int64_t{-1});
    node.attributes.set("epsilon", layernorm.epsilon);
  }
  remove_dead_nodes(graph);
}

}  // namespace sesame::engine
