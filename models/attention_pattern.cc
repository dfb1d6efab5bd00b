#include "models/attention_pattern.h"

#include <algorithm>
#include <utility>

#include "models/byte_attention_pattern.h"

namespace sesame::models {

using engine::DType;
using engine::kNoValue;
using engine::Matcher;
using engine::Node;
using engine::ShapeProbe;
using engine::ValueId;

namespace {

// A score that a Where replaces by this counts for nothing beside any other (ragged.h drops it).
constexpr float kLargestFill = -1000;

constexpr const char* kScores = "attention scores: MatMul, scaled, with relative terms, an additive mask or a Where";

constexpr const char* kMask = "a mask of the keys, [batch, 1, 1, length], or of queries and keys for all heads";

class AttentionMatch {
 public:
  AttentionMatch(const Matcher& m, const ShapeProbe& probe, Mismatch& why)
      : m_(m), probe_(probe), why_(why), relative_(m, probe) {}

  std::optional<AttentionPattern> run(const Node& softmax) {
    if (!match_scores(softmax.input(0), 1) || !match_query_and_key()) return std::nullopt;
    if (!match_context(softmax.output(0)) || !match_relative() || !check_mask()) return std::nullopt;
    pattern_.scale = static_cast<float>(scale_);
    pattern_.softmax = softmax.output(0);
    return pattern_;
  }

 private:
  bool fail(ValueId at, std::string expected) {
    why_ = {at, std::move(expected)};
    return false;
  }

  // Whether a product of two activations lies behind additions, selections, scales and gathers.
  bool leads_to_scores(ValueId id, int depth = 12) const {
    const Node* node = m_.uses().producer(id);
    if (node == nullptr || depth == 0 || probe_.follows_from_shapes(id)) return false;
    if (node->is("MatMul")) return !m_.graph().is_constant(node->input(1));
    if (node->is("Einsum")) return true;
    if (node->is("Where")) {
      return leads_to_scores(node->input(1), depth - 1) || leads_to_scores(node->input(2), depth - 1);
    }
    if (node->is("Reshape") || node->is("Transpose") || node->is("GatherElements")) {
      return leads_to_scores(node->input(0), depth - 1);
    }
    if (!node->is("Add") && !node->is("Mul") && !node->is("Div")) return false;
    return std::any_of(node->inputs.begin(), node->inputs.end(),
                       [&](ValueId i) { return leads_to_scores(i, depth - 1); });
  }

  bool set_mask(ValueId at, ValueId mask, Mask meaning, double scale) {
    if (pattern_.mask != kNoValue) return fail(at, "one mask");
    if (scale != 1) return fail(at, "scores that are scaled before they are masked");
    const DType type = meaning.kind == MaskKind::additive ? DType::f32 : DType::boolean;
    if (!probe_.shape(mask) || probe_.type(mask) != type) return fail(mask, "a mask of float or bool");
    mask_ = mask_source(m_, probe_, mask);
    pattern_.mask = mask_.id;
    pattern_.mask_meaning = meaning;
    return true;
  }

  // From the softmax's input down to MatMul(query, key^T), collecting scale, mask and what relative positions add. The
  // addends are `scale` times what their values are.
  bool match_scores(ValueId id, double scale, int depth = 0) {
    constexpr int kMostNodes = 16;
    if (depth > kMostNodes) return fail(id, "simpler attention scores");
    id = through_scale(m_, probe_, id, scale);
    const Node* node = m_.uses().producer(id);
    if (node == nullptr) return fail(id, kScores);
    if (relative_.match(id, scale)) return true;
    if (node->is("MatMul")) {
      if (product_ != nullptr) return fail(id, "one product of queries and keys");
      product_ = node;
      scale_ = scale;
      return true;
    }
    if (node->is("Reshape")) {
      const auto& to = probe_.shape(id);
      const auto& from = probe_.shape(node->input(0));
      const bool relays = to && from && (*to == *from || merges_heads(*to, *from) || merges_heads(*from, *to));
      return relays ? match_scores(node->input(0), scale, depth + 1) : fail(id, kScores);
    }
    if (node->is("Add")) return match_sum(*node, scale, depth);
    if (!node->is("Where")) return fail(id, kScores);
    const auto dropped = scalar_of(m_, probe_, node->input(1));
    const auto fill = dropped ? dropped : scalar_of(m_, probe_, node->input(2));
    if (!fill || !(*fill < kLargestFill)) return fail(id, kScores);
    const MaskKind kind = dropped ? MaskKind::drop_if_true : MaskKind::keep_if_true;
    return set_mask(id, node->input(0), {kind, *fill}, scale) &&
           match_scores(node->inputs[dropped ? 2 : 1], scale, depth + 1);
  }

  bool match_sum(const Node& add, double scale, int depth) {
    const bool leads[2] = {leads_to_scores(add.input(0)), leads_to_scores(add.input(1))};
    for (std::size_t side : {0, 1}) {  // torch starts sums of terms at 0
      if (scalar_of(m_, probe_, add.input(side)) == 0.0f) return match_scores(add.input(1 - side), scale, depth + 1);
    }
    for (std::size_t side : {0, 1}) {
      const ValueId other = add.input(1 - side);
      if (relative_.match(add.input(side), scale)) return match_scores(other, scale, depth + 1);
    }
    if (leads[0] && leads[1]) {
      return match_scores(add.input(0), scale, depth + 1) && match_scores(add.input(1), scale, depth + 1);
    }
    const std::size_t scores = leads[0] ? 0 : 1;
    return set_mask(add.output(0), add.input(1 - scores), {MaskKind::additive, 0}, scale) &&
           match_scores(add.input(scores), scale, depth + 1);
  }

  bool match_query_and_key() {
    if (product_ == nullptr) return fail(kNoValue, kScores);
    const auto q = match_split_heads(m_, probe_, product_->input(0), scale_, why_);
    if (!q) return false;
    const auto k = match_split_heads(m_, probe_, product_->input(1), scale_, why_);
    if (!k) return false;
    if (q->perm != kHeadsFirst) return fail(product_->input(0), "queries as [batch, heads, length, head_dim]");
    if (k->perm != Perm{0, 2, 3, 1}) return fail(product_->input(1), "keys as [batch, heads, head_dim, length]");
    if (q->heads != k->heads || q->head_dim != k->head_dim)
      return fail(product_->input(1), "as many heads as queries have");
    pattern_.query = q->dense;
    pattern_.key = k->dense;
    pattern_.heads = static_cast<std::size_t>(q->heads);
    pattern_.head_dim = static_cast<std::size_t>(q->head_dim);
    return true;
  }

  ValueId through_guard(ValueId probabilities) {
    const ValueId cleared = behind_nan_guard(m_, probe_, probabilities);
    if (cleared == kNoValue) return probabilities;
    if (pattern_.mask != kNoValue) pattern_.mask_meaning.masked_queries = MaskedQueries::zero_where_nan;
    return cleared;
  }

  // Probabilities behind a Where that clears those that the mask dropped, and a Reshape that merges heads with the
  // batch.
  ValueId through_cleared(ValueId probabilities) {
    const Node* where = reader(probabilities, "Where");
    const bool drops = pattern_.mask_meaning.kind == MaskKind::drop_if_true;
    if (where != nullptr && pattern_.mask != kNoValue && where->input(drops ? 2 : 1) == probabilities &&
        scalar_of(m_, probe_, where->input(drops ? 1 : 2)) == 0.0f &&
        mask_source(m_, probe_, where->input(0)).id == pattern_.mask) {
      clears_ = true;
      probabilities = where->output(0);
    }
    const Node* reshape = reader(probabilities, "Reshape");
    if (reshape == nullptr) return probabilities;
    const auto& from = probe_.shape(probabilities);
    const auto& to = probe_.shape(reshape->output(0));
    return from && to && merges_heads(*from, *to) ? reshape->output(0) : probabilities;
  }

  // From the softmax's output to the merged heads.
  bool match_context(ValueId probabilities) {
    probabilities = through_cleared(through_guard(probabilities));
    const Node* product = reader(probabilities, "MatMul");
    if (product == nullptr || product->input(0) != probabilities)
      return fail(probabilities, "MatMul(probabilities, value)");
    double value_scale = 1;
    const auto v = match_split_heads(m_, probe_, product->input(1), value_scale, why_);
    if (!v) return false;
    const bool as_queries = v->heads == static_cast<std::int64_t>(pattern_.heads) &&
                            v->head_dim == static_cast<std::int64_t>(pattern_.head_dim);
    if (v->perm != kHeadsFirst || value_scale != 1 || !as_queries) {
      return fail(product->input(1), "values as [batch, heads, length, head_dim]");
    }
    pattern_.value = v->dense;
    return match_merged_heads(product->output(0));
  }

  bool match_merged_heads(ValueId context) {
    pattern_.context = models::match_merged_heads(m_, probe_, context, why_);
    if (pattern_.context == kNoValue) return false;
    const auto& merged = probe_.shape(pattern_.context);
    const auto& dense = probe_.shape(pattern_.query);
    return merged && dense && *merged == *dense ? true : fail(pattern_.context, "the queries' shape");
  }

  bool match_relative() {
    Mismatch why;
    auto relative = relative_.finish(pattern_.query, pattern_.key, pattern_.heads, pattern_.head_dim, why);
    if (!relative) return fail(why.at, why.expected);
    pattern_.relative = std::move(*relative);
    return true;
  }

  const Node* reader(ValueId id, std::string_view op) const { return only_reader(m_, id, op); }

  bool check_mask() {
    if (pattern_.mask == kNoValue) return true;
    const auto& rows = probe_.shape(pattern_.query);
    // Where the keys alone are masked, the probabilities that a Where clears are 0 already, but for a text without
    // keys.
    if (rows && is_key_mask(probe_, mask_, (*rows)[0], (*rows)[1])) {
      if (clears_) pattern_.mask_meaning.masked_queries = MaskedQueries::zero_without_keys;
      return true;
    }
    if (pattern_.mask_meaning.kind != MaskKind::additive) {
      const bool keeps = pattern_.mask_meaning.kind == MaskKind::keep_if_true;
      pattern_.pair_mask = match_pair_mask(m_, probe_, pattern_.mask, keeps);
      if (pattern_.pair_mask) {
        pattern_.mask_meaning.masked_queries = clears_ ? MaskedQueries::zero : MaskedQueries::uniform;
        return true;
      }
    }
    pattern_.query_mask =
        rows && !pattern_.relative && !clears_ && is_query_mask(probe_, mask_, (*rows)[0], (*rows)[1]);
    return pattern_.query_mask ? true : fail(pattern_.mask, kMask);
  }

  const Matcher& m_;
  const ShapeProbe& probe_;
  Mismatch& why_;
  AttentionPattern pattern_;
  RelativeMatch relative_;
  PlacedMask mask_;
  const Node* product_ = nullptr;
  double scale_ = 1;
  bool clears_ = false;
};

}  // namespace

Mask ragged_mask(const AttentionPattern& attention) {
  if (attention.mask == kNoValue) return {};
  Mask mask = attention.mask_meaning;
  if (attention.query_mask) mask.kind = MaskKind::each_query;
  return mask;
}

bool is_attention_softmax(const ShapeProbe& probe, const Node& node) {
  const bool of_bytes = node.is("QLinearSoftmax", engine::kMicrosoft);
  if (!of_bytes && !node.is("Softmax")) return false;
  const auto& shape = probe.shape(node.output(0));
  if (!shape || shape->size() != 4) return false;
  const auto opset = of_bytes ? node.attributes.integer("opset", 13) : node.version;
  const std::int64_t axis = node.attributes.integer("axis", opset < 13 ? 1 : -1);
  return axis == -1 || axis == 3;
}

std::optional<AttentionPattern> match_attention(const Matcher& m, const ShapeProbe& probe, const Node& softmax,
                                                Mismatch& why) {
  if (is_byte_attention(m, probe, softmax)) return match_byte_attention(m, probe, softmax, why);
  return AttentionMatch(m, probe, why).run(softmax);
}

ValueId behind_nan_guard(const Matcher& m, const ShapeProbe& probe, ValueId probabilities) {
  const auto& readers = m.uses().readers(probabilities);
  if (readers.size() != 2 || m.uses().is_graph_output(probabilities)) return kNoValue;
  for (const int n : readers) {
    const Node& where = m.graph().nodes[static_cast<std::size_t>(n)];
    if (!where.is("Where") || where.input(2) != probabilities) continue;
    const Node* is_nan = m.made_by(where.input(0), "IsNaN");
    const bool guards = is_nan != nullptr && is_nan->input(0) == probabilities &&
                        m.uses().has_one_reader(where.input(0)) && scalar_of(m, probe, where.input(1)) == 0.0f;
    if (guards) return where.output(0);
  }
  return kNoValue;
}

}  // namespace sesame::models
