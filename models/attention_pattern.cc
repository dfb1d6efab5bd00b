#include "models/attention_pattern.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace sesame::models {

using engine::DType;
using engine::kNoValue;
using engine::Matcher;
using engine::Node;
using engine::ProbedDim;
using engine::ProbedShape;
using engine::ShapeProbe;
using engine::ValueId;

namespace {

using Perm = std::array<std::size_t, 4>;
constexpr Perm kIdentity = {0, 1, 2, 3};

// Sees through Mul and Div by a scalar, collecting the factor.
ValueId through_scale(const Matcher& m, ValueId id, double& scale) {
  for (const Node* node = m.uses().producer(id); node != nullptr; node = m.uses().producer(id)) {
    if (node->is("Mul")) {
      const auto split = m.constant_operand(*node);
      const auto s = split ? m.scalar(split->constant) : std::nullopt;
      if (!s) break;
      scale *= *s;
      id = split->other;
    } else if (node->is("Div") && m.scalar(node->input(1))) {
      scale /= *m.scalar(node->input(1));
      id = node->input(0);
    } else {
      break;
    }
  }
  return id;
}

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

// [batch, length, features] seen as heads: the dense value and how its [batch, length, heads, head_dim] was permuted.
struct SplitHeads {
  ValueId dense = kNoValue;
  Perm perm = kIdentity;  // axis i of the result is axis perm[i] of [batch, length, heads, head_dim]
  std::int64_t heads = 0;
  std::int64_t head_dim = 0;
};

std::optional<SplitHeads> match_split_heads(const Matcher& m, const ShapeProbe& probe, ValueId id, double& scale,
                                            Mismatch& why) {
  SplitHeads s;
  for (int depth = 0; depth < 4; ++depth) {
    id = through_scale(m, id, scale);
    const Node* node = m.uses().producer(id);
    if (node != nullptr && node->is("Transpose")) {
      const auto inner = perm_of(*node);
      if (!inner) break;
      Perm composed{};
      for (std::size_t i = 0; i < 4; ++i) composed[i] = (*inner)[s.perm[i]];
      s.perm = composed;
      id = node->input(0);
      continue;
    }
    if (node == nullptr || !node->is("Reshape")) break;
    const auto& split = probe.shape(id);
    const auto& dense = probe.shape(node->input(0));
    if (!split || !dense || split->size() != 4 || dense->size() != 3) break;
    const bool same_rows = (*split)[0] == (*dense)[0] && (*split)[1] == (*dense)[1];
    if (!same_rows || !(*split)[2].is_constant() || !(*split)[3].is_constant()) break;
    s.heads = (*split)[2].first;
    s.head_dim = (*split)[3].first;
    s.dense = through_scale(m, node->input(0), scale);
    return s;
  }
  why = {id, "a Reshape of [batch, length, hidden] into heads"};
  return std::nullopt;
}

// The dimensions that are not 1.
ProbedShape squeezed(const ProbedShape& shape) {
  ProbedShape out;
  std::copy_if(shape.begin(), shape.end(), std::back_inserter(out), [](const ProbedDim& d) { return !d.is(1); });
  return out;
}

// A mask as it is broadcast against the scores [batch, heads, queries, keys]: which axis of them each of its
// dimensions other than 1 lies along, in order.
struct PlacedMask {
  ValueId id = kNoValue;
  std::vector<std::size_t> axes;
};

// What stays of the axes inside an Expand from `inner` to `outer`.
std::vector<std::size_t> before_expand(const std::vector<std::size_t>& axes, const ProbedShape& inner,
                                       const ProbedShape& outer) {
  std::vector<std::size_t> kept;
  std::size_t next = 0;
  const std::size_t shift = outer.size() - inner.size();
  for (std::size_t i = 0; i < outer.size(); ++i) {
    if (outer[i].is(1)) continue;
    if (i >= shift && !inner[i - shift].is(1)) kept.push_back(axes[next]);
    ++next;
  }
  return kept;
}

// Sees through what only lays a mask out again: Unsqueeze, Reshape, Expand over heads and queries, casts of bool to
// bool.
PlacedMask mask_source(const Matcher& m, const ShapeProbe& probe, ValueId id) {
  PlacedMask mask{id, {}};
  const auto& placed = probe.shape(id);
  if (!placed || placed->size() > 4) return mask;
  for (std::size_t i = 0; i < placed->size(); ++i) {
    if (!(*placed)[i].is(1)) mask.axes.push_back(i + 4 - placed->size());
  }
  while (const Node* node = m.uses().producer(mask.id)) {
    const ValueId source = node->input(0);
    const auto& inner = probe.shape(source);
    const auto& outer = probe.shape(mask.id);
    if (!inner || !outer) break;
    if (node->is("Expand") && inner->size() <= outer->size()) {
      mask.axes = before_expand(mask.axes, *inner, *outer);
    } else if (node->is("Cast")) {
      if (probe.type(source) != DType::boolean || probe.type(mask.id) != DType::boolean) break;
    } else {
      const bool relayout = node->is("Reshape") || node->is("Unsqueeze") || node->is("Squeeze");
      if (!relayout || squeezed(*inner) != squeezed(*outer)) break;
    }
    mask.id = source;
  }
  return mask;
}

// Whether the mask varies along the keys and at most over the batch.
bool is_key_mask(const ShapeProbe& probe, const PlacedMask& mask, ProbedDim batch, ProbedDim length) {
  const auto& shape = probe.shape(mask.id);
  if (!shape || shape->empty() || shape->back() != length) return false;
  const ProbedShape dims = squeezed(*shape);
  std::vector<std::size_t> axes;
  if (!length.is(1)) axes.push_back(3);
  if (dims == squeezed({length}) && mask.axes == axes) return true;
  if (!batch.is(1)) axes.insert(axes.begin(), 0);
  return dims == squeezed({batch, length}) && mask.axes == axes;
}

// A score that a Where replaces by this counts for nothing beside any other (ragged.h drops it).
constexpr float kLargestFill = -1000;

class AttentionMatch {
 public:
  AttentionMatch(const Matcher& m, const ShapeProbe& probe, Mismatch& why) : m_(m), probe_(probe), why_(why) {}

  std::optional<AttentionPattern> run(const Node& softmax) {
    const Node* product = match_scores(softmax.input(0));
    if (product == nullptr || !match_query_and_key(*product)) return std::nullopt;
    if (!match_context(softmax.output(0)) || !check_mask()) return std::nullopt;
    pattern_.scale = static_cast<float>(scale_);
    pattern_.softmax = softmax.output(0);
    return pattern_;
  }

 private:
  bool fail(ValueId at, std::string expected) {
    why_ = {at, std::move(expected)};
    return false;
  }

  // Whether scores (a product of two activations) lie behind additions, selections and scales.
  bool leads_to_scores(ValueId id, int depth = 6) const {
    const Node* node = m_.uses().producer(id);
    if (node == nullptr || depth == 0) return false;
    if (node->is("MatMul")) return !m_.graph().is_constant(node->input(1));
    if (node->is("Where")) {
      return leads_to_scores(node->input(1), depth - 1) || leads_to_scores(node->input(2), depth - 1);
    }
    if (!node->is("Add") && !node->is("Mul") && !node->is("Div")) return false;
    return std::any_of(node->inputs.begin(), node->inputs.end(),
                       [&](ValueId i) { return leads_to_scores(i, depth - 1); });
  }

  bool set_mask(ValueId at, ValueId mask, Mask meaning) {
    if (pattern_.mask != kNoValue) return fail(at, "one mask");
    if (scale_ != 1) return fail(at, "scores that are scaled before they are masked");
    const DType type = meaning.kind == MaskKind::additive ? DType::f32 : DType::boolean;
    if (!probe_.shape(mask) || probe_.type(mask) != type) return fail(mask, "a mask of float or bool");
    mask_ = mask_source(m_, probe_, mask);
    pattern_.mask = mask_.id;
    pattern_.mask_meaning = meaning;
    return true;
  }

  // From the softmax's input down to MatMul(query, key^T), collecting scale and mask.
  const Node* match_scores(ValueId id) {
    for (const Node* node = m_.uses().producer(id); node != nullptr; node = m_.uses().producer(id)) {
      if (node->is("MatMul")) return node;
      if (node->is("Add")) {
        const std::size_t scores = leads_to_scores(node->input(0)) ? 0 : 1;
        if (!set_mask(id, node->input(1 - scores), {MaskKind::additive, 0})) return nullptr;
        id = node->input(scores);
      } else if (node->is("Where")) {
        const auto dropped = m_.scalar(node->input(1));
        const auto fill = dropped ? dropped : m_.scalar(node->input(2));
        if (!fill || !(*fill < kLargestFill)) break;
        const MaskKind kind = dropped ? MaskKind::drop_if_true : MaskKind::keep_if_true;
        if (!set_mask(id, node->input(0), {kind, *fill})) return nullptr;
        id = node->inputs[dropped ? 2 : 1];
      } else {
        const ValueId inner = through_scale(m_, id, scale_);
        if (inner == id) break;
        id = inner;
      }
    }
    fail(id, "attention scores: MatMul, scaled, with an additive mask or a Where");
    return nullptr;
  }

  bool match_query_and_key(const Node& product) {
    const auto q = match_split_heads(m_, probe_, product.input(0), scale_, why_);
    if (!q) return false;
    const auto k = match_split_heads(m_, probe_, product.input(1), scale_, why_);
    if (!k) return false;
    if (q->perm != Perm{0, 2, 1, 3}) return fail(product.input(0), "queries as [batch, heads, length, head_dim]");
    if (k->perm != Perm{0, 2, 3, 1}) return fail(product.input(1), "keys as [batch, heads, head_dim, length]");
    if (q->heads != k->heads || q->head_dim != k->head_dim)
      return fail(product.input(1), "as many heads as queries have");
    pattern_.query = q->dense;
    pattern_.key = k->dense;
    pattern_.heads = static_cast<std::size_t>(q->heads);
    pattern_.head_dim = static_cast<std::size_t>(q->head_dim);
    return true;
  }

  // From the softmax's output to the merged heads.
  bool match_context(ValueId probabilities) {
    const Node* product = reader(probabilities, "MatMul");
    if (product == nullptr || product->input(0) != probabilities)
      return fail(probabilities, "MatMul(probabilities, value)");
    double value_scale = 1;
    const auto v = match_split_heads(m_, probe_, product->input(1), value_scale, why_);
    if (!v) return false;
    const bool as_queries = v->heads == static_cast<std::int64_t>(pattern_.heads) &&
                            v->head_dim == static_cast<std::int64_t>(pattern_.head_dim);
    if (v->perm != Perm{0, 2, 1, 3} || value_scale != 1 || !as_queries) {
      return fail(product->input(1), "values as [batch, heads, length, head_dim]");
    }
    pattern_.value = v->dense;
    const Node* transpose = reader(product->output(0), "Transpose");
    if (transpose == nullptr || perm_of(*transpose) != Perm{0, 2, 1, 3})
      return fail(product->output(0), "Transpose back to rows");
    const Node* reshape = reader(transpose->output(0), "Reshape");
    if (reshape == nullptr) return fail(transpose->output(0), "Reshape that merges the heads");
    pattern_.context = reshape->output(0);
    const auto& merged = probe_.shape(pattern_.context);
    const auto& dense = probe_.shape(pattern_.query);
    return merged && dense && *merged == *dense ? true : fail(pattern_.context, "the queries' shape");
  }

  // The one reader of `id` when it is this operator.
  const Node* reader(ValueId id, std::string_view op) const {
    if (!m_.uses().has_one_reader(id)) return nullptr;
    const Node& node = m_.graph().nodes[static_cast<std::size_t>(m_.uses().readers(id)[0])];
    return node.is(op) ? &node : nullptr;
  }

  bool check_mask() {
    if (pattern_.mask == kNoValue) return true;
    const auto& rows = probe_.shape(pattern_.query);
    if (rows && is_key_mask(probe_, mask_, (*rows)[0], (*rows)[1])) return true;
    return fail(pattern_.mask, "a mask of the keys alone, [batch, 1, 1, length]");
  }

  const Matcher& m_;
  const ShapeProbe& probe_;
  Mismatch& why_;
  AttentionPattern pattern_;
  PlacedMask mask_;
  double scale_ = 1;
};

}  // namespace

bool is_attention_softmax(const ShapeProbe& probe, const Node& node) {
  if (!node.is("Softmax")) return false;
  const auto& shape = probe.shape(node.output(0));
  if (!shape || shape->size() != 4) return false;
  const std::int64_t axis = node.attributes.integer("axis", node.version < 13 ? 1 : -1);
  return axis == -1 || axis == 3;
}

std::optional<AttentionPattern> match_attention(const Matcher& m, const ShapeProbe& probe, const Node& softmax,
                                                Mismatch& why) {
  return AttentionMatch(m, probe, why).run(softmax);
}

}  // namespace sesame::models
