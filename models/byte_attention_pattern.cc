#include "models/byte_attention_pattern.h"

#include <algorithm>
#include <set>
#include <utility>

#include "engine/operators/quantization.h"
#include "engine/quantized_node.h"

namespace sesame::models {

using engine::DType;
using engine::kMicrosoft;
using engine::kNoValue;
using engine::Matcher;
using engine::Node;
using engine::ShapeProbe;
using engine::ValueId;
using kernels::Combination;

namespace {

constexpr int kMostNodes = 24;
// A score that is replaced by this counts for nothing beside any other (ragged.h drops it).
constexpr float kLargestFill = -1000;
constexpr const char* kScores = "attention scores: a product of bytes, scaled, masked and rounded by constant grids";

std::optional<Combination> combination_of(const Node& node) {
  if (node.inputs.size() != 2) return std::nullopt;
  if (node.is("Add")) return Combination::add;
  if (node.is("Sub")) return Combination::subtract;
  if (node.is("Mul")) return Combination::multiply;
  if (node.is("Div")) return Combination::divide;
  return std::nullopt;
}

class ByteAttentionMatch {
 public:
  ByteAttentionMatch(const Matcher& m, const ShapeProbe& probe, Mismatch& why) : m_(m), probe_(probe), why_(why) {}

  std::optional<AttentionPattern> run(const Node& softmax) {
    is_float_softmax_ = softmax.is("Softmax");
    if (!match_scores(softmax.input(0))) return std::nullopt;
    std::reverse(attention_.program.begin(), attention_.program.end());
    append_softmax(softmax);
    const Node* context = match_probabilities(softmax.output(0));
    if (context == nullptr || !match_heads(*context)) return std::nullopt;
    pattern_.softmax = softmax.output(0);
    pattern_.bytes = std::make_shared<const ByteAttention>(std::move(attention_));
    return pattern_;
  }

  // Whether a product of activations, or a quantization, is all that leads to the value.
  bool leads_to_product(ValueId id, int depth = kMostNodes) const {
    const Node* node = m_.uses().producer(id);
    if (node == nullptr || depth == 0 || probe_.rank(id) != 4) return false;
    if (is_product(*node)) return true;
    if (node->is("Where")) {
      return leads_to_product(node->input(1), depth - 1) || leads_to_product(node->input(2), depth - 1);
    }
    if (node->is("QLinearAdd", kMicrosoft) || node->is("QLinearMul", kMicrosoft)) {
      return leads_to_product(node->input(0), depth - 1) || leads_to_product(node->input(3), depth - 1);
    }
    if (engine::is_quantize(*node) || engine::is_dequantize(*node)) {
      return leads_to_product(node->input(0), depth - 1);
    }
    if (!combination_of(*node)) return false;
    return leads_to_product(node->input(0), depth - 1) || leads_to_product(node->input(1), depth - 1);
  }

 private:
  bool fail(ValueId at, std::string expected) {
    why_ = {at, std::move(expected)};
    return false;
  }

  bool is_activation(ValueId id) const { return id != kNoValue && !m_.graph().is_constant(id); }
  bool is_product(const Node& node) const {
    const bool product = node.is("MatMul") || node.is("QLinearMatMul") || node.is("MatMulIntegerToFloat", kMicrosoft);
    return product && is_activation(node.input(0)) && is_activation(node.input(right_operand(node)));
  }
  static std::size_t right_operand(const Node& node) { return node.is("QLinearMatMul") ? 3 : 1; }

  std::optional<float> number(ValueId id) const { return scalar_of(m_, probe_, id); }

  std::optional<ByteGrid> grid(ValueId bytes, ValueId scale, ValueId zero) const {
    const auto& graph = m_.graph();
    const bool has_zero = zero == kNoValue || (graph.is_constant(zero) && graph.constant(zero).size() == 1);
    if (!probe_.shape(bytes) || !engine::is_tensor_scale(graph, scale) || !has_zero) return std::nullopt;
    return ByteGrid{
        engine::scale_at(graph.constant(scale), 0), engine::byte_range(probe_.type(bytes), graph.constant(zero)), {}};
  }

  // Backwards from the softmax's input to the product of queries and keys.
  bool match_scores(ValueId id) {
    for (int n = 0; n < kMostNodes; ++n) {
      const Node* node = m_.uses().producer(id);
      if (node == nullptr || probe_.rank(id) != 4) return fail(id, kScores);
      if (is_product(*node)) {
        scores_ = node;
        return take_product(*node, attention_.scores);
      }
      const ValueId next = match_step(*node);
      if (next == kNoValue) return fail(id, kScores);
      id = next;
    }
    return fail(id, "simpler attention scores");
  }

  // Writes down what the node does to scores; gives those that it reads, kNoValue when it is none of the kind.
  ValueId match_step(const Node& node) {
    ScoreProgram& program = attention_.program;
    if (engine::is_per_tensor_quantize(m_.graph(), node)) {
      program.push_back(QuantizeScores{*grid(node.output(0), node.input(1), node.input(2))});
      return node.input(0);
    }
    if (engine::is_per_tensor_dequantize(m_.graph(), node)) {
      program.push_back(DequantizeScores{*grid(node.input(0), node.input(1), node.input(2))});
      return node.input(0);
    }
    if (node.is("QLinearAdd", kMicrosoft)) return match_byte_sum(node);
    if (node.is("QLinearMul", kMicrosoft)) return match_byte_product(node);
    if (node.is("Where")) return match_fill(node);
    return combination_of(node) ? match_combination(node, *combination_of(node)) : kNoValue;
  }

  ValueId match_combination(const Node& node, Combination how) {
    for (std::size_t side : {1u, 0u}) {
      if (const auto value = number(node.input(side))) {
        attention_.program.push_back(CombineScores{how, *value, side == 0});
        return node.input(1 - side);
      }
    }
    if (how != Combination::add) return kNoValue;
    const std::size_t scores = leads_to_product(node.input(0)) ? 0 : 1;
    const ValueId mask = node.input(1 - scores);
    if (!probe_.shape(mask) || probe_.type(mask) != DType::f32 || leads_to_product(mask)) return kNoValue;
    if (take_mask(node.output(0), mask, {MaskKind::additive, 0})) {
      attention_.program.push_back(MaskScores{});
    } else {
      attention_.program.push_back(AddScores{score_input(mask)});
    }
    return node.input(scores);
  }

  ValueId match_fill(const Node& where) {
    const auto dropped = number(where.input(1)), kept = number(where.input(2));
    if (!dropped && !kept) return kNoValue;
    const float fill = dropped ? *dropped : *kept;
    const bool where_true = dropped.has_value();
    const MaskKind kind = where_true ? MaskKind::drop_if_true : MaskKind::keep_if_true;
    if (fill < kLargestFill && take_mask(where.output(0), where.input(0), {kind, fill})) {
      attention_.program.push_back(MaskScores{});
    } else {
      attention_.program.push_back(FillScores{score_input(where.input(0)), where_true, fill});
    }
    return where.input(where_true ? 2 : 1);
  }

  bool has_constant_grids(const Node& node) const {
    const auto known = [&](std::size_t i) {
      return node.input(i) == kNoValue || m_.graph().is_constant(node.input(i));
    };
    const auto scale = [&](std::size_t i) { return engine::is_tensor_scale(m_.graph(), node.input(i)); };
    return scale(1) && known(2) && scale(4) && known(5) && scale(6) && known(7);
  }

  // By one byte for all scores.
  ValueId match_byte_product(const Node& node) {
    for (std::size_t side : {3u, 0u}) {
      const engine::Tensor& t = m_.graph().constant(node.input(side));
      if (!t || t.size() != 1 || !has_constant_grids(node)) continue;
      const bool is_signed = probe_.type(node.output(0)) == DType::i8;
      attention_.program.push_back(MultiplyByteScores{engine::byte_product(m_.graph(), node, is_signed),
                                                      *static_cast<const std::uint8_t*>(t.raw()), side == 0});
      return node.input(3 - side);
    }
    return kNoValue;
  }

  ValueId match_byte_sum(const Node& sum) {
    if (!has_constant_grids(sum)) return kNoValue;
    const bool first = leads_to_product(sum.input(0));
    const ValueId mask = sum.input(first ? 3 : 0);
    if (!probe_.shape(mask) || leads_to_product(mask)) return kNoValue;
    const bool is_signed = probe_.type(sum.output(0)) == DType::i8;
    attention_.program.push_back(
        AddByteScores{engine::byte_sum(m_.graph(), sum, is_signed), score_input(mask), !first});
    return sum.input(first ? 0 : 3);
  }

  // A mask of the keys alone, whose masked scores a softmax of floats reads as they are: those keys can be left out.
  bool take_mask(ValueId masked, ValueId id, Mask meaning) {
    if (!attention_.program.empty() || !is_float_softmax_) return false;
    const DType type = meaning.kind == MaskKind::additive ? DType::f32 : DType::boolean;
    const PlacedMask mask = mask_source(m_, probe_, id);
    const auto& scores = probe_.shape(masked);
    if (!scores || scores->size() != 4 || !probe_.shape(mask.id) || probe_.type(mask.id) != type) return false;
    if (!is_key_mask(probe_, mask, (*scores)[0], (*scores)[3])) return false;
    pattern_.mask = mask.id;
    pattern_.mask_meaning = meaning;
    return true;
  }

  // An Expand changes nothing that broadcasting would not.
  ScoreInput score_input(ValueId id) {
    const Node* expand = m_.made_by(id, "Expand");
    if (expand != nullptr && probe_.shape(expand->input(0))) id = expand->input(0);
    auto& inputs = pattern_.score_inputs;
    auto at = std::find(inputs.begin(), inputs.end(), id);
    if (at == inputs.end()) at = inputs.insert(inputs.end(), id);
    return static_cast<ScoreInput>(at - inputs.begin());
  }

  void append_softmax(const Node& softmax) {
    if (softmax.is("Softmax")) return attention_.program.push_back(SoftmaxScores{});
    const auto x = grid(softmax.input(0), softmax.input(1), softmax.input(2));
    const auto y = grid(softmax.output(0), softmax.input(3), softmax.input(4));
    if (x && y) attention_.program.push_back(ByteSoftmaxScores{x->scale, y->scale, y->range});
    has_softmax_ = x && y;
  }

  // Forwards from the softmax to the product with the values, or null.
  const Node* match_probabilities(ValueId id) {
    if (!has_softmax_) {
      fail(id, "a softmax of constant scales");
      return nullptr;
    }
    if (const ValueId cleared = behind_nan_guard(m_, probe_, id); is_float_softmax_ && cleared != kNoValue) {
      attention_.program.push_back(ClearScores{});
      id = cleared;
    }
    for (int n = 0; n < kMostNodes && m_.uses().has_one_reader(id); ++n) {
      const Node& node = m_.graph().nodes[static_cast<std::size_t>(m_.uses().readers(id)[0])];
      if (is_product(node) && node.input(0) == id) return take_product(node, attention_.context) ? &node : nullptr;
      const bool moves = node.is("Where") || node.is("QLinearAdd", kMicrosoft) ||
                         (combination_of(node) && !number(node.input(0)) && !number(node.input(1)));
      if (moves || match_step(node) != id) break;
      id = node.output(0);
    }
    fail(id, "a product of probabilities and values");
    return nullptr;
  }

  bool take_product(const Node& node, ScoreProduct& product) {
    product.of_bytes = !node.is("MatMul");
    if (!product.of_bytes) return true;
    const bool q = node.is("QLinearMatMul");
    const auto a =
        q ? grid(node.input(0), node.input(1), node.input(2)) : grid(node.input(0), node.input(2), node.input(4));
    const auto b =
        q ? grid(node.input(3), node.input(4), node.input(5)) : grid(node.input(1), node.input(3), node.input(5));
    if (!a || !b || (!q && node.input(6) != kNoValue)) return fail(node.output(0), "one constant grid a side");
    product.a = *a;
    product.b = *b;
    if (q) product.y = grid(node.output(0), node.input(6), node.input(7));
    return !q || product.y ? true : fail(node.output(0), "one constant grid of the result");
  }

  std::optional<SplitHeads> heads(ValueId id, const Perm& perm, const char* expected) {
    double scale = 1;
    auto split = match_split_heads(m_, probe_, id, scale, why_);
    if (!split) return std::nullopt;
    if (split->perm == perm && scale == 1) return split;
    fail(id, expected);
    return std::nullopt;
  }

  bool match_heads(const Node& context) {
    const auto q = heads(scores_->input(0), kHeadsFirst, "queries as [batch, heads, length, head_dim]");
    if (!q) return false;
    const auto k =
        heads(scores_->input(right_operand(*scores_)), {0, 2, 3, 1}, "keys as [batch, heads, head_dim, length]");
    if (!k) return false;
    const auto v =
        heads(context.input(right_operand(context)), kHeadsFirst, "values as [batch, heads, length, head_dim]");
    if (!v) return false;
    if (q->heads != k->heads || q->heads != v->heads || q->head_dim != k->head_dim || q->head_dim != v->head_dim) {
      return fail(k->dense, "as many heads as queries have");
    }
    pattern_.query = q->dense;
    pattern_.key = k->dense;
    pattern_.value = v->dense;
    pattern_.heads = static_cast<std::size_t>(q->heads);
    pattern_.head_dim = static_cast<std::size_t>(q->head_dim);
    pattern_.context = match_merged_heads(m_, probe_, context.output(0), why_);
    return pattern_.context != kNoValue && check_shapes();
  }

  bool check_shapes() {
    const auto& rows = probe_.shape(pattern_.query);
    if (!rows || rows->size() != 3) return fail(pattern_.query, "queries as [batch, length, hidden]");
    for (ValueId id : {pattern_.key, pattern_.value, pattern_.context}) {
      if (!probe_.shape(id) || *probe_.shape(id) != *rows) return fail(id, "the queries' shape");
    }
    return true;
  }

  const Matcher& m_;
  const ShapeProbe& probe_;
  Mismatch& why_;
  AttentionPattern pattern_;
  ByteAttention attention_;
  const Node* scores_ = nullptr;
  bool has_softmax_ = true;
  bool is_float_softmax_ = false;
};

}  // namespace

bool is_byte_attention(const Matcher& m, const ShapeProbe& probe, const Node& softmax) {
  if (softmax.is("QLinearSoftmax", kMicrosoft)) return true;
  // Between the product and the softmax, or between the softmax and the product.
  ValueId id = softmax.input(0);
  std::vector<ValueId> open = {id};
  for (int n = 0; n < kMostNodes && !open.empty(); ++n) {
    const Node* node = m.uses().producer(open.back());
    open.pop_back();
    if (node == nullptr || probe.rank(node->output(0)) != 4) continue;
    if (engine::is_dequantize(*node) || node->is("MatMulIntegerToFloat", kMicrosoft)) return true;
    if (node->is("Where")) open.insert(open.end(), node->inputs.begin() + 1, node->inputs.end());
    if (combination_of(*node)) open.insert(open.end(), node->inputs.begin(), node->inputs.end());
  }
  const ValueId cleared = behind_nan_guard(m, probe, softmax.output(0));
  const ValueId probabilities = cleared == kNoValue ? softmax.output(0) : cleared;
  if (!m.uses().has_one_reader(probabilities)) return false;
  return engine::is_quantize(m.graph().nodes[static_cast<std::size_t>(m.uses().readers(probabilities)[0])]);
}

std::optional<AttentionPattern> match_byte_attention(const Matcher& m, const ShapeProbe& probe, const Node& softmax,
                                                     Mismatch& why) {
  return ByteAttentionMatch(m, probe, why).run(softmax);
}

}  // namespace sesame::models
