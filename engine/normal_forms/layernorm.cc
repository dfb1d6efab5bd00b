#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "engine/normal_forms/matcher.h"
#include "engine/normal_forms/normal_forms.h"
#include "engine/shape_probe.h"

namespace sesame::engine {

namespace {

struct LayerNorm {
  ValueId x;
  ValueId gamma;
  ValueId beta;
  float epsilon;
};

std::vector<std::int64_t> axes_of(const Matcher& m, const Node& mean) {
  if (const auto attribute = mean.attributes.maybe_integers("axes")) return *attribute;
  const Tensor& axes = m.graph().constant(mean.input(1));
  return axes && (axes.type() == DType::i64 || axes.type() == DType::i32) ? to_int64s(axes)
                                                                          : std::vector<std::int64_t>{};
}

// The value that `id` is the mean of over the last axis, kept as an axis of 1.
ValueId mean_of(const Matcher& m, const ShapeProbe& probe, ValueId id) {
  const Node* mean = m.made_by(id, "ReduceMean");
  if (mean == nullptr || mean->attributes.integer("keepdims", 1) != 1) return kNoValue;
  const std::vector<std::int64_t> axes = axes_of(m, *mean);
  const ValueId x = mean->input(0);
  const bool last = axes.size() == 1 &&
                    (axes[0] == -1 || (probe.shape(x) && axes[0] + 1 == static_cast<std::int64_t>(probe.rank(x))));
  return last ? x : kNoValue;
}

// x when `id` is x - mean(x).
ValueId centred(const Matcher& m, const ShapeProbe& probe, ValueId id) {
  const Node* sub = m.made_by(id, "Sub");
  return sub != nullptr && mean_of(m, probe, sub->input(1)) == sub->input(0) ? sub->input(0) : kNoValue;
}

// v when `id` is v squared.
ValueId squared(const Matcher& m, ValueId id) {
  if (const Node* pow = m.made_by(id, "Pow")) return m.is_scalar(pow->input(1), 2) ? pow->input(0) : kNoValue;
  const Node* mul = m.made_by(id, "Mul");
  return mul != nullptr && mul->input(0) == mul->input(1) ? mul->input(0) : kNoValue;
}

// (x - mean) / sqrt(mean((x - mean)^2) + epsilon)
std::optional<LayerNorm> match_normalized(const Matcher& m, const ShapeProbe& probe, ValueId id) {
  const Node* div = m.made_by(id, "Div");
  if (div == nullptr) return std::nullopt;
  const ValueId x = centred(m, probe, div->input(0));
  const Node* sqrt = m.made_by(div->input(1), "Sqrt");
  const Node* add = sqrt ? m.made_by(sqrt->input(0), "Add") : nullptr;
  if (x == kNoValue || add == nullptr) return std::nullopt;
  const auto split = m.constant_operand(*add);
  const auto epsilon = split ? m.scalar(split->constant) : std::nullopt;
  if (!epsilon) return std::nullopt;
  const ValueId deviation = squared(m, mean_of(m, probe, split->other));
  if (deviation == kNoValue || centred(m, probe, deviation) != x) return std::nullopt;
  return LayerNorm{x, kNoValue, kNoValue, *epsilon};
}

std::optional<LayerNorm> match_layernorm(const Matcher& m, const ShapeProbe& probe, const Node& node) {
  if (!node.is("Add")) return std::nullopt;
  const auto shift = m.constant_operand(node);
  const Node* mul = shift ? m.made_by(shift->other, "Mul") : nullptr;
  const auto scale = mul ? m.constant_operand(*mul) : std::nullopt;
  if (!scale || !m.is_vector(scale->constant)) return std::nullopt;
  if (!m.is_vector(shift->constant, m.graph().constant(scale->constant).dim(0))) return std::nullopt;
  auto layernorm = match_normalized(m, probe, scale->other);
  if (!layernorm) return std::nullopt;
  // Gamma has an element a feature: as anything else it would be broadcast, and the result another shape.
  const auto& shape = probe.shape(layernorm->x);
  if (!shape || shape->empty() || !shape->back().is(m.graph().constant(scale->constant).dim(0))) return std::nullopt;
  layernorm->gamma = scale->constant;
  layernorm->beta = shift->constant;
  return layernorm;
}

}  // namespace

void form_layernorms(Graph& graph, LayerNormForm form) {
  const Matcher m(graph);
  const ShapeProbe probe(graph);
  std::vector<std::pair<std::size_t, LayerNorm>> found;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (const auto layernorm = match_layernorm(m, probe, graph.nodes[n])) found.emplace_back(n, *layernorm);
  }
  for (const auto& [n, layernorm] : found) {
    Node& node = graph.nodes[n];
    const bool fused = form == LayerNormForm::fused;
    node.op = fused ? "LayerNormalization" : "LayerNormalizationSteps";
    node.domain = fused ? kOnnx : kSesame;
    node.version = fused ? 17 : 1;
    node.inputs = {layernorm.x, layernorm.gamma, layernorm.beta};
    node.attributes = {};
    node.attributes.set("axis", std::int64_t{-1});
    node.attributes.set("epsilon", layernorm.epsilon);
  }
  remove_dead_nodes(graph);
}

}  // namespace sesame::engine
