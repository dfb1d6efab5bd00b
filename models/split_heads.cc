#include "models/split_heads.h"

#include <cmath>

namespace sesame::models {

using engine::Matcher;
using engine::Node;
using engine::ProbedShape;
using engine::ShapeProbe;
using engine::ValueId;

namespace {

// Of [batch * heads, x, y], as one of [batch, heads, x, y].
std::optional<Perm> perm_of_merged(const Node& transpose) {
  const auto perm = transpose.attributes.maybe_integers("perm");
  if (!perm || perm->size() != 3 || (*perm)[0] != 0) return std::nullopt;
  return (*perm)[1] == 2 ? Perm{0, 1, 3, 2} : Perm{0, 1, 2, 3};
}

// How a Reshape takes part: it makes the heads, merges them with the batch, or leaves the shape.
enum class ReshapeKind { splits, relays, other };

ReshapeKind kind_of(const ProbedShape& from, const ProbedShape& to) {
  if (from == to) return ReshapeKind::relays;
  if (from.size() == 4 && to.size() == 3) return merges_heads(from, to) ? ReshapeKind::relays : ReshapeKind::other;
  if (from.size() != 3 || to.size() != 4) return ReshapeKind::other;
  if (merges_heads(to, from)) return ReshapeKind::relays;
  const bool same_rows = to[0] == from[0] && to[1] == from[1];
  return same_rows && to[2].is_constant() && to[3].is_constant() ? ReshapeKind::splits : ReshapeKind::other;
}

}  // namespace

std::optional<Perm> perm_of(const Node& transpose) {
  const auto perm = transpose.attributes.maybe_integers("perm");
  if (!perm || perm->size() != 4) return std::nullopt;
  Perm p{};
  for (std::size_t i = 0; i < 4; ++i) {
    if ((*perm)[i] < 0 || (*perm)[i] > 3) return std::nullopt;
    p[i] = static_cast<std::size_t>((*perm)[i]);
  }
  return p;
}

std::optional<float> scalar_of(const Matcher& m, const ShapeProbe& probe, ValueId id) {
  if (const auto constant = m.scalar(id)) return constant;
  const engine::Tensor& t = probe.constant(id);
  if (!t || t.type() != engine::DType::f32 || t.size() != 1 || t.rank() > 1) return std::nullopt;
  return *t.data<float>();
}

ValueId through_scale(const Matcher& m, const ShapeProbe& probe, ValueId id, double& scale) {
  for (const Node* node = m.uses().producer(id); node != nullptr; node = m.uses().producer(id)) {
    if (node->is("Mul") && node->inputs.size() == 2) {
      const auto right = scalar_of(m, probe, node->input(1));
      const auto left = right ? std::nullopt : scalar_of(m, probe, node->input(0));
      if (!right && !left) break;
      scale *= right ? *right : *left;
      id = node->input(right ? 0 : 1);
    } else if (node->is("Div")) {
      const auto divisor = scalar_of(m, probe, node->input(1));
      if (!divisor) break;
      scale /= *divisor;
      id = node->input(0);
    } else {
      break;
    }
  }
  return id;
}

bool merges_heads(const ProbedShape& four, const ProbedShape& three) {
  return four.size() == 4 && three.size() == 3 && three[0].first == four[0].first * four[1].first &&
         three[0].second == four[0].second * four[1].second && three[1] == four[2] && three[2] == four[3];
}

const Node* only_reader(const Matcher& m, ValueId id, std::string_view op, std::string_view domain) {
  if (!m.uses().has_one_reader(id)) return nullptr;
  const Node& node = m.graph().nodes[static_cast<std::size_t>(m.uses().readers(id)[0])];
  return node.is(op, domain) ? &node : nullptr;
}

ValueId match_merged_heads(const Matcher& m, const ShapeProbe& probe, ValueId context, Mismatch& why) {
  const auto fail = [&](ValueId at, const char* expected) {
    why = {at, expected};
    return engine::kNoValue;
  };
  if (const Node* parts = only_reader(m, context, "Reshape")) {
    const auto& from = probe.shape(context);
    const auto& to = probe.shape(parts->output(0));
    if (from && to && merges_heads(*to, *from)) context = parts->output(0);
  }
  const Node* transpose = only_reader(m, context, "Transpose");
  if (transpose == nullptr || perm_of(*transpose) != kHeadsFirst) return fail(context, "Transpose back to rows");
  const Node* reshape = only_reader(m, transpose->output(0), "Reshape");
  if (reshape == nullptr) return fail(transpose->output(0), "Reshape that merges the heads");
  return reshape->output(0);
}

std::optional<SplitHeads> match_split_heads(const Matcher& m, const ShapeProbe& probe, ValueId id, double& scale,
                                            Mismatch& why) {
  constexpr int kMostNodes = 8;
  SplitHeads s;
  for (int n = 0; n < kMostNodes; ++n) {
    id = through_scale(m, probe, id, scale);
    const Node* node = m.uses().producer(id);
    if (node != nullptr && node->is("Transpose")) {
      const auto inner = probe.rank(id) == 3 ? perm_of_merged(*node) : perm_of(*node);
      if (!inner) break;
      Perm composed{};
      for (std::size_t i = 0; i < 4; ++i) composed[i] = (*inner)[s.perm[i]];
      s.perm = composed;
      id = node->input(0);
      continue;
    }
    if (node == nullptr || !node->is("Reshape")) break;
    const auto& to = probe.shape(id);
    const auto& from = probe.shape(node->input(0));
    if (!to || !from) break;
    const ReshapeKind kind = kind_of(*from, *to);
    if (kind == ReshapeKind::other) break;
    if (kind == ReshapeKind::relays) {
      id = node->input(0);
      continue;
    }
    s.heads = (*to)[2].first;
    s.head_dim = (*to)[3].first;
    s.dense = through_scale(m, probe, node->input(0), scale);
    return s;
  }
  why = {id, "a Reshape of [batch, length, hidden] into heads"};
  return std::nullopt;
}

}  // namespace sesame::models
