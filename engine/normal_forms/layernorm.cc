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

// x when `id` is mean(x^2) - mean(x)^2, which a Max may keep from falling below 0.
ValueId moments_of(const Matcher& m, const ShapeProbe& probe, ValueId id) {
  if (const Node* guard = m.made_by(id, "Max")) {
    const auto split = m.constant_operand(*guard);
    if (!split || !m.is_scalar(split->constant, 0)) return kNoValue;
    id = split->other;
  }
  const Node* sub = m.made_by(id, "Sub");
  if (sub == nullptr) return kNoValue;
  const ValueId x = squared(m, mean_of(m, probe, sub->input(0)));
  return x != kNoValue && mean_of(m, probe, squared(m, sub->input(1))) == x ? x : kNoValue;
}

// epsilon when `id` is mean((x - mean(x))^2) + epsilon, in either way of writing a variance; x is set to what it is of.
std::optional<float> match_variance(const Matcher& m, const ShapeProbe& probe, ValueId id, ValueId& x) {
  const Node* add = m.made_by(id, "Add");
  const auto split = add ? m.constant_operand(*add) : std::nullopt;
  const auto epsilon = split ? m.scalar(split->constant) : std::nullopt;
  if (!epsilon) return std::nullopt;
  x = centred(m, probe, squared(m, mean_of(m, probe, split->other)));
  if (x == kNoValue) x = moments_of(m, probe, split->other);
  return x == kNoValue ? std::nullopt : epsilon;
}

// What `id` is the root of.
ValueId rooted(const Matcher& m, ValueId id) {
  if (const Node* sqrt = m.made_by(id, "Sqrt")) return sqrt->input(0);
  const Node* pow = m.made_by(id, "Pow");
  return pow != nullptr && m.is_scalar(pow->input(1), 0.5f) ? pow->input(0) : kNoValue;
}

// What `id` is one over the root of.
ValueId inversely_rooted(const Matcher& m, ValueId id) {
  if (const Node* reciprocal = m.made_by(id, "Reciprocal")) return rooted(m, reciprocal->input(0));
  if (const Node* div = m.made_by(id, "Div")) {
    return m.is_scalar(div->input(0), 1) ? rooted(m, div->input(1)) : kNoValue;
  }
  const Node* pow = m.made_by(id, "Pow");
  return pow != nullptr && m.is_scalar(pow->input(1), -0.5f) ? pow->input(0) : kNoValue;
}

// (x - mean) / sqrt(mean((x - mean)^2) + epsilon), or times one over the root.
std::optional<LayerNorm> match_normalized(const Matcher& m, const ShapeProbe& probe, ValueId id) {
  ValueId x = kNoValue;
  if (const Node* div = m.made_by(id, "Div")) {
    const auto epsilon = match_variance(m, probe, rooted(m, div->input(1)), x);
    if (epsilon && centred(m, probe, div->input(0)) == x) return LayerNorm{x, kNoValue, kNoValue, *epsilon};
  }
  const Node* mul = m.made_by(id, "Mul");
  for (std::size_t i = 0; mul != nullptr && i < 2; ++i) {
    const auto epsilon = match_variance(m, probe, inversely_rooted(m, mul->input(i)), x);
    if (epsilon && centred(m, probe, mul->input(1 - i)) == x) return LayerNorm{x, kNoValue, kNoValue, *epsilon};
  }
  return std::nullopt;
}

// (x - mean) g + beta, where g = gamma / sqrt(variance + epsilon): Flax's.
std::optional<LayerNorm> match_centred(const Matcher& m, const ShapeProbe& probe, const Node& mul, ValueId beta) {
  for (std::size_t i = 0; i < mul.inputs.size() && i < 2; ++i) {
    const Node* product = m.made_by(mul.input(i), "Mul");
    const auto scale = product ? m.constant_operand(*product) : std::nullopt;
    if (!scale) continue;
    ValueId x = kNoValue;
    const auto epsilon = match_variance(m, probe, inversely_rooted(m, scale->other), x);
    if (epsilon && centred(m, probe, mul.input(1 - i)) == x) return LayerNorm{x, scale->constant, beta, *epsilon};
  }
  return std::nullopt;
}

// normalized * gamma + beta, gamma and beta constant.
std::optional<LayerNorm> match_scaled(const Matcher& m, const ShapeProbe& probe, const Node& node) {
  const auto shift = m.constant_operand(node);
  const Node* mul = shift ? m.made_by(shift->other, "Mul") : nullptr;
  const auto scale = mul ? m.constant_operand(*mul) : std::nullopt;
  if (!scale) return mul ? match_centred(m, probe, *mul, shift->constant) : std::nullopt;
  auto layernorm = match_normalized(m, probe, scale->other);
  if (!layernorm) return std::nullopt;
  layernorm->gamma = scale->constant;
  layernorm->beta = shift->constant;
  return layernorm;
}

// TensorFlow's batch normalization: x g + (beta - mean g), where g = gamma / sqrt(variance + epsilon).
std::optional<LayerNorm> match_shifted(const Matcher& m, const ShapeProbe& probe, const Node& node) {
  for (std::size_t i = 0; i < 2; ++i) {
    const Node* scaled = m.made_by(node.input(i), "Mul");
    const Node* shift = m.made_by(node.input(1 - i), "Sub");
    const Node* shifted = shift && m.graph().is_constant(shift->input(0)) ? m.made_by(shift->input(1), "Mul") : nullptr;
    if (scaled == nullptr || shifted == nullptr) continue;
    for (const ValueId g : scaled->inputs) {
      const Node* product = m.made_by(g, "Mul");
      const auto scale = product ? m.constant_operand(*product) : std::nullopt;
      const ValueId mean = Matcher::other_operand(*shifted, g);
      if (!scale || mean == kNoValue) continue;
      ValueId x = kNoValue;
      const auto epsilon = match_variance(m, probe, inversely_rooted(m, scale->other), x);
      if (!epsilon || Matcher::other_operand(*scaled, g) != x || mean_of(m, probe, mean) != x) continue;
      return LayerNorm{x, scale->constant, shift->input(0), *epsilon};
    }
  }
  return std::nullopt;
}

std::optional<LayerNorm> match_layernorm(const Matcher& m, const ShapeProbe& probe, const Node& node) {
  if (!node.is("Add") || node.inputs.size() != 2) return std::nullopt;
  auto layernorm = match_scaled(m, probe, node);
  if (!layernorm) layernorm = match_shifted(m, probe, node);
  if (!layernorm || !m.is_vector(layernorm->gamma)) return std::nullopt;
  if (!m.is_vector(layernorm->beta, m.graph().constant(layernorm->gamma).dim(0))) return std::nullopt;
  // Gamma has an element a feature: as anything else it would be broadcast, and the result another shape.
  const auto& shape = probe.shape(layernorm->x);
  if (!shape || shape->empty() || !shape->back().is(m.graph().constant(layernorm->gamma).dim(0))) return std::nullopt;
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
