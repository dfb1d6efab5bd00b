#include "engine/normal_forms/microsoft_attention.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <vector>

namespace sesame::engine {

namespace {

constexpr int kVersion = 13;  // of the plain operators that are emitted

// Columns [begin, begin + count) of [.., N].
Tensor columns(const Tensor& t, std::int64_t begin, std::int64_t count) {
  Shape shape = t.shape();
  const std::int64_t all = shape.back();
  shape.back() = count;
  const Tensor part = Tensor::allocate(DType::f32, std::move(shape));
  for (std::int64_t row = 0; row < t.size() / all; ++row) {
    std::copy_n(t.data<float>() + row * all + begin, count, part.data<float>() + row * count);
  }
  return part;
}

bool is_floats(const Tensor& t, std::size_t rank) { return t && t.type() == DType::f32 && t.rank() == rank; }

// Queries, keys and values as [batch, length, features], before their heads are split.
struct Projected {
  std::array<ValueId, 3> dense{};
  std::int64_t hidden = 0;        // of queries and keys
  std::int64_t value_hidden = 0;  // of values
};

class AttentionParts {
 public:
  AttentionParts(Emitter& e, const Graph& graph, const ShapeProbe& probe, const Node& node)
      : e_(e), graph_(graph), probe_(probe), node_(node), heads_(node.attributes.integer("num_heads", 0)) {}

  bool emit() {
    const bool merged = node_.op == "Attention";
    const bool done = node_.op == "ProjectedAttention";
    if (!is_plain(done     ? std::vector<std::size_t>{2}
                  : merged ? std::vector<std::size_t>{4}
                           : std::vector<std::size_t>{6, 7}))
      return false;
    const auto projected = done ? split() : merged ? project() : add_biases();
    if (!projected || projected->hidden % heads_ != 0 || projected->value_hidden % heads_ != 0) return false;
    const auto mask = additive_mask(node_.input(done ? 1 : merged ? 3 : 4));
    if (!mask) return false;
    attend(*projected, *mask, done ? kNoValue : node_.input(5));
    return true;
  }

 private:
  // Without a past, what a next call would read, rotary positions or a causal mask.
  bool is_plain(const std::vector<std::size_t>& past) const {
    for (std::size_t i = 1; i < node_.outputs.size(); ++i) {
      if (node_.outputs[i] != kNoValue) return false;
    }
    if (std::any_of(past.begin(), past.end(), [&](std::size_t i) { return node_.input(i) != kNoValue; })) return false;
    const auto& shape = probe_.shape(node_.input(0));
    return heads_ > 0 && node_.output(0) != kNoValue && node_.attributes.integer("unidirectional", 0) == 0 &&
           node_.attributes.integer("do_rotary", 0) == 0 && shape && shape->size() == 3;
  }

  // Features of queries, keys and values, `all` of them together; empty when they do not fit.
  std::vector<std::int64_t> sizes_of(std::int64_t all) const {
    auto sizes = node_.attributes.maybe_integers("qkv_hidden_sizes").value_or(std::vector<std::int64_t>{});
    if (sizes.empty()) sizes.assign(3, all / 3);
    const bool fit = sizes.size() == 3 && sizes[0] > 0 && sizes[0] == sizes[1] && sizes[2] > 0 && sizes[0] <= all / 2 &&
                     sizes[2] == all - 2 * sizes[0];
    return fit ? sizes : std::vector<std::int64_t>{};
  }

  // What was projected already, in three.
  std::optional<Projected> split() {
    const ProbedDim all = probe_.shape(node_.input(0))->back();
    const auto sizes = sizes_of(all.is_constant() ? all.first : 0);
    if (sizes.empty()) return std::nullopt;
    Projected p{{}, sizes[0], sizes[2]};
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < 3; begin += sizes[i++]) {
      p.dense[i] = e_.emit("Slice", kVersion, {node_.input(0), ints({begin}), ints({begin + sizes[i]}), ints({-1})});
    }
    return p;
  }

  // The merged projection in three.
  std::optional<Projected> project() {
    const Tensor weight = graph_.constant(node_.input(1));
    const Tensor bias = graph_.constant(node_.input(2));
    if (!is_floats(weight, 2) || (node_.input(2) != kNoValue && !is_floats(bias, 1))) return std::nullopt;
    const auto sizes = sizes_of(weight.dim(1));
    if (sizes.empty() || (bias && bias.dim(0) != weight.dim(1))) return std::nullopt;
    Projected p{{}, sizes[0], sizes[2]};
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < 3; begin += sizes[i++]) {
      p.dense[i] = e_.emit("MatMul", kVersion, {node_.input(0), e_.constant(columns(weight, begin, sizes[i]))});
      if (bias) p.dense[i] = e_.emit("Add", kVersion, {p.dense[i], e_.constant(columns(bias, begin, sizes[i]))});
    }
    return p;
  }

  // MultiHeadAttention's own three inputs, its bias added.
  std::optional<Projected> add_biases() {
    std::array<std::int64_t, 3> sizes{};
    Projected p;
    for (std::size_t i = 0; i < 3; ++i) {
      const auto& shape = probe_.shape(node_.input(i));
      if (!shape || shape->size() != 3 || !shape->back().is_constant()) return std::nullopt;
      p.dense[i] = node_.input(i);
      sizes[i] = shape->back().first;
    }
    p.hidden = sizes[0];
    p.value_hidden = sizes[2];
    const Tensor bias = graph_.constant(node_.input(3));
    if (node_.input(3) == kNoValue) return sizes[0] == sizes[1] ? std::optional(p) : std::nullopt;
    if (sizes[0] != sizes[1] || !is_floats(bias, 1) || bias.dim(0) != 2 * sizes[0] + sizes[2]) return std::nullopt;
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < 3; begin += sizes[i++]) {
      p.dense[i] = e_.emit("Add", kVersion, {p.dense[i], e_.constant(columns(bias, begin, sizes[i]))});
    }
    return p;
  }

  ValueId ints(const std::vector<std::int64_t>& values) {
    return e_.constant(Tensor::of<std::int64_t>({static_cast<std::int64_t>(values.size())}, values));
  }
  ValueId number(std::int64_t value) { return e_.constant(Tensor::scalar<std::int64_t>(value)); }
  ValueId cast(ValueId x, std::int64_t to) { return e_.emit("Cast", kVersion, {x}, Emitter::with("to", to)); }

  // Added to the scores; kNoValue for no mask, nothing for one that is not known well enough.
  std::optional<ValueId> additive_mask(ValueId mask) {
    if (mask == kNoValue) return kNoValue;
    const auto& shape = probe_.shape(mask);
    const ProbedShape& input = *probe_.shape(node_.input(0));
    if (!shape || probe_.type(mask) != DType::i32) return std::nullopt;
    const ProbedDim batch = input[0], length = input[1];
    const ProbedDim twice{2 * batch.first, 2 * batch.second};
    if (*shape == ProbedShape{batch}) return filled(positions_within(mask, false), {1, 2});
    if (*shape == ProbedShape{twice}) return filled(positions_within(mask, true), {1, 2});
    if (*shape == ProbedShape{batch, length}) return filled(kept(mask), {1, 2});
    if (*shape == ProbedShape{batch, length, length}) return filled(kept(mask), {1});
    return std::nullopt;
  }

  ValueId kept(ValueId mask) {
    return e_.emit("Greater", kVersion, {mask, e_.constant(Tensor::scalar<std::int32_t>(0))});
  }

  // [batch, length]: whether each position lies before its sequence's end, and not before its begin where the input
  // gives both: [ends, begins].
  ValueId positions_within(ValueId bounds, bool has_begins) {
    const ValueId shape = e_.emit("Shape", kVersion, {node_.input(0)});
    const ValueId length = e_.emit("Gather", kVersion, {shape, number(1)}, Emitter::with("axis", std::int64_t{0}));
    const ValueId positions = e_.emit("Range", 11, {number(0), length, number(1)});
    const ValueId column = e_.emit("Unsqueeze", kVersion, {cast(bounds, 7), ints({1})});
    if (!has_begins) return e_.emit("Less", kVersion, {positions, column});
    const ValueId sequences = e_.emit("Slice", kVersion, {shape, ints({0}), ints({1}), ints({0})});
    const ValueId ends = e_.emit("Slice", kVersion, {column, ints({0}), sequences, ints({0})});
    const ValueId begins = e_.emit("Slice", kVersion, {column, sequences, ints({INT64_MAX}), ints({0})});
    return e_.emit(
        "And", kVersion,
        {e_.emit("Less", kVersion, {positions, ends}), e_.emit("GreaterOrEqual", kVersion, {positions, begins})});
  }

  ValueId filled(ValueId keep, const std::vector<std::int64_t>& axes) {
    const ValueId zero = e_.constant(Tensor::scalar<float>(0));
    const ValueId filter = e_.constant(Tensor::scalar<float>(node_.attributes.real("mask_filter_value", -10000.0f)));
    return e_.emit("Unsqueeze", kVersion, {e_.emit("Where", kVersion, {keep, zero, filter}), ints(axes)});
  }

  ValueId heads(ValueId dense, std::int64_t features, std::vector<std::int64_t> perm) {
    const ValueId split = e_.emit("Reshape", kVersion, {dense, ints({0, 0, heads_, features / heads_})});
    return e_.emit("Transpose", kVersion, {split}, Emitter::with("perm", std::move(perm)));
  }

  void attend(const Projected& p, ValueId mask, ValueId bias) {
    const float given = node_.attributes.real("scale", 0);
    const auto head_dim = static_cast<float>(p.hidden / heads_);
    const float scale = given != 0 ? given : 1.0f / std::sqrt(head_dim);
    const ValueId q = heads(p.dense[0], p.hidden, {0, 2, 1, 3});
    const ValueId k = heads(p.dense[1], p.hidden, {0, 2, 3, 1});
    const ValueId v = heads(p.dense[2], p.value_hidden, {0, 2, 1, 3});
    ValueId scores = e_.emit("MatMul", kVersion, {q, k});
    scores = e_.emit("Mul", kVersion, {scores, e_.constant(Tensor::scalar<float>(scale))});
    for (ValueId addend : {mask, bias}) {
      if (addend != kNoValue) scores = e_.emit("Add", kVersion, {scores, addend});
    }
    const ValueId probabilities = e_.emit("Softmax", kVersion, {scores}, Emitter::with("axis", std::int64_t{-1}));
    const ValueId context = e_.emit("MatMul", kVersion, {probabilities, v});
    const ValueId rows =
        e_.emit("Transpose", kVersion, {context}, Emitter::with("perm", std::vector<std::int64_t>{0, 2, 1, 3}));
    e_.emit_to(node_.output(0), "Reshape", kVersion, {rows, ints({0, 0, p.value_hidden})});
  }

  Emitter& e_;
  const Graph& graph_;
  const ShapeProbe& probe_;
  const Node& node_;
  std::int64_t heads_;
};

}  // namespace

bool emit_attention(Emitter& e, const Graph& graph, const ShapeProbe& probe, const Node& node) {
  return AttentionParts(e, graph, probe, node).emit();
}

}  // namespace sesame::engine
