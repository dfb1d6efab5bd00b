// Small encoders as graphs, in the spellings and shapes that exporters and families differ in.
#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "engine/folding.h"
#include "engine/normal_forms/normal_forms.h"
#include "tests/support/small_graph.h"

namespace sesame::models {

struct EncoderStyle {
  enum class Norm { post, pre, none };
  enum class Projection { separate, split, convolution, by_part, by_head };
  enum class Scores { divided, divided_query, sdpa, sdpa_from_shape, batched, merged, einsum };
  enum class MaskIs { additive, expanded, where, sdpa_bool, none, pairs, pairs_bool, causal, always_true };

  enum class Activation { gelu, quick_gelu, silu, fused_quick_gelu };

  Norm norm = Norm::post;
  Projection projection = Projection::separate;
  Scores scores = Scores::divided;
  MaskIs mask = MaskIs::additive;
  bool guards_nan = false;  // Where(IsNaN(p), 0, p)
  bool first_row = false;   // a classifier reads position 0
  Activation activation = Activation::gelu;
  int feed_forwards = 1;
  bool parallel = false;      // attention and feed-forward of one norm, added together
  std::int64_t groups = 1;    // of convolutions
  bool split_slices = false;  // Slice in place of Split
  std::int64_t type_id_rows = 0;
  bool folds_rows = false;  // Linears are Gemms of [batch * length, ..]
  bool choices = false;     // ids and mask are [batch, choices, length]
};

class EncoderGraph {
 public:
  static constexpr std::int64_t kHidden = 24, kHeads = 3, kDim = 8, kFfn = 40, kVocab = 50, kPositions = 40;

  explicit EncoderGraph(EncoderStyle style, int layers = 2) : s_(style), g_(17) {
    const engine::Shape symbols(s_.choices ? 3 : 2, -1);
    ids_ = g_.input("input_ids", symbols, engine::DType::i64);
    if (s_.mask != EncoderStyle::MaskIs::none) {
      mask_input_ = g_.input("attention_mask", has_pairs() ? engine::Shape(3, -1) : symbols, engine::DType::i64);
    }
    if (s_.choices) {
      const ValueId shape = g_.node("Concat", {g_.ints({-1}), dim(ids_, 2)}, {{"axis", std::int64_t{0}}});
      ids_ = g_.node("Reshape", {ids_, shape});
      mask_input_ = g_.node("Reshape", {mask_input_, shape});
    }
    mask_ = make_mask();
    engine::ValueId h = embed();
    for (int i = 0; i < layers; ++i) h = layer(h);
    if (s_.norm == EncoderStyle::Norm::pre) h = norm(h);
    if (s_.first_row) {
      h = g_.node("Gather", {h, g_.constant(engine::Tensor::scalar<std::int64_t>(0))}, {{"axis", std::int64_t{1}}});
      h = linear(h, kHidden, 3);
    }
    g_.output(h);
  }

  // As exported.
  engine::Graph raw() const { return g_.graph; }
  // In normal forms.
  engine::Graph graph() const {
    engine::Graph graph = g_.graph;
    engine::fold_constants(graph);
    engine::to_normal_forms(graph);
    return graph;
  }

 private:
  using ValueId = engine::ValueId;
  using List = std::vector<std::int64_t>;

  ValueId weight(engine::Shape shape) { return g_.constant(test::random_floats(std::move(shape), ++seed_, 0.3f)); }
  ValueId linear(ValueId x, std::int64_t in, std::int64_t out) {
    if (s_.folds_rows) {
      const ValueId rows = g_.node("Reshape", {x, g_.ints({-1, in})});
      const ValueId y = g_.node("Gemm", {rows, weight({out, in}), weight({out})}, {{"transB", std::int64_t{1}}});
      return g_.node("Reshape",
                     {y, g_.node("Concat", {dim(x, 0), dim(x, 1), g_.ints({out})}, {{"axis", std::int64_t{0}}})});
    }
    return g_.node("Add", {weight({out}), g_.node("MatMul", {x, weight({in, out})})});
  }
  ValueId norm(ValueId x) {
    return g_.node("LayerNormalization", {x, weight({kHidden}), weight({kHidden})},
                   {{"axis", std::int64_t{-1}}, {"epsilon", 1e-5f}});
  }
  ValueId affine(ValueId x) { return g_.node("Add", {g_.node("Mul", {x, weight({kHidden})}), weight({kHidden})}); }
  ValueId transpose(ValueId x, List perm) { return g_.node("Transpose", {x}, {{"perm", perm}}); }

  ValueId dim(ValueId of, std::int64_t axis) {
    return g_.node("Gather", {g_.node("Shape", {of}), g_.ints({axis})}, {{"axis", std::int64_t{0}}});
  }

  ValueId embed() {
    const ValueId length = g_.node("Squeeze", {dim(ids_, 1), g_.ints({0})});
    const ValueId positions = g_.node("Range", {g_.constant(engine::Tensor::scalar<std::int64_t>(0)), length,
                                                g_.constant(engine::Tensor::scalar<std::int64_t>(1))});
    const ValueId words = g_.node("Gather", {weight({kVocab, kHidden}), ids_}, {{"axis", std::int64_t{0}}});
    const ValueId places = g_.node("Gather", {weight({kPositions, kHidden}), positions}, {{"axis", std::int64_t{0}}});
    const ValueId sum = g_.node("Add", {words, places});
    return s_.norm == EncoderStyle::Norm::none ? affine(sum) : norm(sum);
  }

  ValueId make_mask() {
    using MaskIs = EncoderStyle::MaskIs;
    if (s_.mask == MaskIs::none) return engine::kNoValue;
    if (has_pairs() || s_.mask == MaskIs::causal || s_.mask == MaskIs::always_true) return make_pair_mask();
    const ValueId rows = g_.node("Unsqueeze", {mask_input_, g_.ints({1, 2})});
    const auto to = [&](ValueId x, std::int64_t type) { return g_.node("Cast", {x}, {{"to", type}}); };
    const float lowest = std::numeric_limits<float>::lowest();
    if (s_.mask == MaskIs::where) return g_.node("Equal", {rows, g_.constant(engine::Tensor::scalar<std::int64_t>(0))});
    if (s_.mask == MaskIs::additive) {
      return g_.node("Mul", {g_.node("Sub", {g_.scalar(1), to(rows, 1)}), g_.scalar(lowest)});
    }
    // torch 2: expanded to [batch, 1, length, length] first, inverted and filled after.
    const ValueId shape =
        g_.node("Concat", {dim(ids_, 0), g_.ints({1}), dim(ids_, 1), dim(ids_, 1)}, {{"axis", std::int64_t{0}}});
    if (s_.mask == MaskIs::sdpa_bool) {
      const ValueId expanded = g_.node("Expand", {to(rows, 9), shape});
      return g_.node("Where", {expanded, g_.scalar(0), g_.scalar(-std::numeric_limits<float>::infinity())});
    }
    const ValueId inverted = g_.node("Sub", {g_.scalar(1), to(g_.node("Expand", {rows, shape}), 1)});
    return g_.node("Where", {to(inverted, 9), g_.scalar(lowest), inverted});
  }

  bool has_pairs() const {
    return s_.mask == EncoderStyle::MaskIs::pairs || s_.mask == EncoderStyle::MaskIs::pairs_bool;
  }

  // Of queries and keys, [batch, 1, length, length].
  ValueId make_pair_mask() {
    using MaskIs = EncoderStyle::MaskIs;
    const float infinity = std::numeric_limits<float>::infinity();
    const auto to = [&](ValueId x, std::int64_t type) { return g_.node("Cast", {x}, {{"to", type}}); };
    if (s_.mask == MaskIs::pairs) {
      const ValueId pairs = to(g_.node("Unsqueeze", {mask_input_, g_.ints({1})}), 1);
      return g_.node("Mul", {g_.node("Sub", {g_.scalar(1), pairs}), g_.scalar(std::numeric_limits<float>::lowest())});
    }
    if (s_.mask == MaskIs::pairs_bool) return to(g_.node("Unsqueeze", {mask_input_, g_.ints({1})}), 9);
    const auto number = [&](std::int64_t n) { return g_.constant(engine::Tensor::scalar<std::int64_t>(n)); };
    const ValueId length = g_.node("Squeeze", {dim(ids_, 1), g_.ints({0})});
    const ValueId places = g_.node("Range", {number(0), length, number(1)});
    const ValueId queries = g_.node("Unsqueeze", {places, g_.ints({0, 1, 3})});
    const ValueId keys = g_.node("Unsqueeze", {places, g_.ints({0, 1, 2})});
    const ValueId allowed = s_.mask == MaskIs::causal ? g_.node("LessOrEqual", {keys, queries})
                                                      : g_.node("GreaterOrEqual", {queries, number(0)});
    const ValueId real = to(g_.node("Unsqueeze", {mask_input_, g_.ints({1, 2})}), 9);
    return g_.node("Where", {g_.node("And", {allowed, real}), g_.scalar(0), g_.scalar(-infinity)});
  }

  ValueId layer(ValueId h) {
    const bool pre = s_.norm == EncoderStyle::Norm::pre;
    const ValueId x = pre ? norm(h) : h;
    const ValueId attended =
        s_.scores == EncoderStyle::Scores::merged ? merged_attention(x) : linear(attention(x), kHidden, kHidden);
    if (s_.parallel) return g_.node("Add", {h, g_.node("Add", {attended, feed_forward(x)})});
    h = after(g_.node("Add", {attended, h}));
    for (int i = 0; i < s_.feed_forwards; ++i) h = after(g_.node("Add", {feed_forward(pre ? norm(h) : h), h}));
    return h;
  }

  ValueId after(ValueId sum) {
    if (s_.norm == EncoderStyle::Norm::pre) return sum;
    return s_.norm == EncoderStyle::Norm::post ? norm(sum) : affine(sum);
  }

  ValueId feed_forward(ValueId x) {
    const ValueId inner = s_.norm == EncoderStyle::Norm::none ? g_.node("Relu", {linear(x, kHidden, kFfn)})
                                                              : gelu(linear(x, kHidden, kFfn));
    return linear(inner, kFfn, kHidden);
  }

  ValueId gelu(ValueId x) {
    using Activation = EncoderStyle::Activation;
    if (s_.activation == Activation::fused_quick_gelu) return g_.node("QuickGelu", {x}, {}, "com.microsoft");
    if (s_.activation != Activation::gelu) {
      const bool quick = s_.activation == Activation::quick_gelu;
      return g_.node("Mul", {x, g_.node("Sigmoid", {quick ? g_.node("Mul", {x, g_.scalar(1.702f)}) : x})});
    }
    const ValueId erf = g_.node("Erf", {g_.node("Div", {x, g_.scalar(std::sqrt(2.0f))})});
    return g_.node("Mul", {g_.node("Mul", {x, g_.node("Add", {erf, g_.scalar(1)})}), g_.scalar(0.5f)});
  }

  std::vector<ValueId> projections(ValueId x) {
    if (s_.projection == EncoderStyle::Projection::separate) {
      const ValueId q = linear(x, kHidden, kHidden), k = linear(x, kHidden, kHidden);
      return {q, k, linear(x, kHidden, kHidden)};
    }
    if (s_.projection == EncoderStyle::Projection::convolution) {
      const ValueId channels = transpose(x, {0, 2, 1});
      const ValueId q = convolution(channels), k = convolution(channels);
      return {q, k, convolution(channels)};
    }
    const ValueId all = linear(x, kHidden, 3 * kHidden);
    if (has_heads()) return packed_heads(x, all);
    if (!s_.split_slices)
      return g_.nodes("Split", {all, g_.ints({kHidden, kHidden, kHidden})}, 3, {{"axis", std::int64_t{-1}}});
    std::vector<ValueId> parts;
    for (std::int64_t i = 0; i < 3; ++i) {
      parts.push_back(g_.node("Slice", {all, g_.ints({i * kHidden}), g_.ints({(i + 1) * kHidden}), g_.ints({2})}));
    }
    return parts;
  }

  // Whether projections come as heads, [batch, heads, length, dim].
  bool has_heads() const {
    return s_.projection == EncoderStyle::Projection::by_part || s_.projection == EncoderStyle::Projection::by_head;
  }

  // [batch, length, 3, heads, dim], turned and picked; or [batch, length, heads, 3 dim], turned and split.
  std::vector<ValueId> packed_heads(ValueId x, ValueId all) {
    const bool by_part = s_.projection == EncoderStyle::Projection::by_part;
    const ValueId parts = by_part ? g_.ints({3, kHeads, kDim}) : g_.ints({kHeads, 3 * kDim});
    const ValueId shape = g_.node("Concat", {dim(x, 0), dim(x, 1), parts}, {{"axis", std::int64_t{0}}});
    const ValueId heads = g_.node("Reshape", {all, shape});
    if (!by_part) {
      return g_.nodes("Split", {transpose(heads, {0, 2, 1, 3}), g_.ints({kDim, kDim, kDim})}, 3,
                      {{"axis", std::int64_t{-1}}});
    }
    const ValueId turned = transpose(heads, {2, 0, 3, 1, 4});
    std::vector<ValueId> picked;
    for (std::int64_t i = 0; i < 3; ++i) {
      picked.push_back(
          g_.node("Gather", {turned, g_.constant(engine::Tensor::scalar(i))}, {{"axis", std::int64_t{0}}}));
    }
    return picked;
  }

  // Of [batch, hidden, length], turned back.
  ValueId convolution(ValueId x) {
    return transpose(g_.node("Conv", {x, weight({kHidden, kHidden / s_.groups, 1}), weight({kHidden})},
                             {{"group", s_.groups}, {"kernel_shape", List{1}}}),
                     {0, 2, 1});
  }

  // [batch, heads, length, dim] of [batch, length, hidden]
  ValueId heads(ValueId x, List perm) {
    if (has_heads()) return perm == List{0, 2, 1, 3} ? x : transpose(x, {0, 1, 3, 2});
    const ValueId shape =
        g_.node("Concat", {dim(x, 0), dim(x, 1), g_.ints({kHeads, kDim})}, {{"axis", std::int64_t{0}}});
    const ValueId parts = g_.node("Reshape", {x, shape});
    return perm == List{0, 1, 2, 3} ? parts : transpose(parts, std::move(perm));
  }

  ValueId attention(ValueId x) {
    const std::vector<ValueId> qkv = projections(x);
    const ValueId scores = masked(score(qkv[0], qkv[1]));
    ValueId p = g_.node("Softmax", {scores}, {{"axis", std::int64_t{-1}}});
    if (s_.guards_nan) p = g_.node("Where", {g_.node("IsNaN", {p}), g_.scalar(0), p});
    const bool sums = s_.scores == EncoderStyle::Scores::einsum;
    const ValueId context = sums ? einsum("bnqk,bknd->bqnd", p, heads(qkv[2], {0, 1, 2, 3}))
                                 : transpose(g_.node("MatMul", {p, heads(qkv[2], {0, 2, 1, 3})}), {0, 2, 1, 3});
    const ValueId shape = g_.node("Concat", {dim(x, 0), dim(x, 1), g_.ints({kHidden})}, {{"axis", std::int64_t{0}}});
    return g_.node("Reshape", {context, shape});
  }

  // On rows with the batch second and heads merged with it, as torch's nn.MultiheadAttention; with its output's Linear.
  ValueId merged_attention(ValueId x) {
    const auto shape = [&](std::vector<ValueId> dims) { return g_.node("Concat", dims, {{"axis", std::int64_t{0}}}); };
    const ValueId rows = transpose(x, {1, 0, 2});
    const ValueId length = dim(rows, 0), batch = dim(rows, 1);
    const ValueId sequences = g_.node("Mul", {batch, g_.ints({kHeads})});
    const ValueId split = shape({length, sequences, g_.ints({kDim})});
    const auto merged = [&](ValueId part, List perm) {
      return transpose(g_.node("Reshape", {part, split}), std::move(perm));
    };
    const std::vector<ValueId> qkv = projections(rows);
    const ValueId q = g_.node("Mul", {merged(qkv[0], {1, 0, 2}), g_.scalar(1 / std::sqrt(static_cast<float>(kDim)))});
    ValueId scores = g_.node("MatMul", {q, merged(qkv[1], {1, 2, 0})});
    if (s_.mask != EncoderStyle::MaskIs::none) {
      const ValueId spread = g_.node("Expand", {mask_, g_.ints({1, kHeads, 1, 1})});
      const ValueId keys = g_.node("Reshape", {spread, shape({sequences, g_.ints({1}), length})});
      scores = g_.node("Add", {scores, keys});
    }
    const ValueId p = g_.node("Softmax", {scores}, {{"axis", std::int64_t{-1}}});
    const ValueId context = transpose(g_.node("MatMul", {p, merged(qkv[2], {1, 0, 2})}), {1, 0, 2});
    const ValueId folded = g_.node("Reshape", {context, shape({g_.node("Mul", {length, batch}), g_.ints({kHidden})})});
    const ValueId out =
        g_.node("Gemm", {folded, weight({kHidden, kHidden}), weight({kHidden})}, {{"transB", std::int64_t{1}}});
    return transpose(g_.node("Reshape", {out, shape({length, batch, g_.ints({kHidden})})}), {1, 0, 2});
  }

  ValueId score(ValueId q, ValueId k) {
    using Scores = EncoderStyle::Scores;
    const float root = std::sqrt(static_cast<float>(kDim));
    if (s_.scores == Scores::einsum) {
      const ValueId scores = einsum("bqnd,bknd->bnqk", heads(q, {0, 1, 2, 3}), heads(k, {0, 1, 2, 3}));
      return g_.node("Div", {scores, g_.scalar(root)});
    }
    if (s_.scores == Scores::divided_query) q = g_.node("Div", {q, g_.scalar(root)});
    const ValueId queries = heads(q, {0, 2, 1, 3});
    if (s_.scores == Scores::divided) {
      return g_.node("Div", {g_.node("MatMul", {queries, heads(k, {0, 2, 3, 1})}), g_.scalar(root)});
    }
    if (s_.scores == Scores::divided_query) return g_.node("MatMul", {queries, heads(k, {0, 2, 3, 1})});
    const ValueId half = s_.scores == Scores::sdpa ? g_.scalar(1 / std::sqrt(root)) : half_scale(queries);
    const ValueId keys = heads(k, {0, 2, 1, 3});
    const ValueId turned = s_.scores == Scores::batched ? turn_batched(keys) : transpose(keys, {0, 1, 3, 2});
    return g_.node("MatMul", {g_.node("Mul", {queries, half}), g_.node("Mul", {turned, half})});
  }

  ValueId einsum(const char* equation, ValueId a, ValueId b) {
    return g_.node("Einsum", {a, b}, {{"equation", std::string(equation)}});
  }

  // sqrt(1 / sqrt(dim)), dim taken from the queries' shape.
  ValueId half_scale(ValueId queries) {
    const ValueId shape = g_.node("Shape", {queries});
    const ValueId last = g_.node("Slice", {shape, g_.ints({-1}), g_.ints({std::numeric_limits<std::int64_t>::max()})});
    const ValueId root = g_.node("Sqrt", {g_.node("Cast", {last}, {{"to", std::int64_t{1}}})});
    return g_.node("Sqrt", {g_.node("Div", {g_.floats({1}), root})});
  }

  // Through [batch * heads, length, dim], as the exporter behind torch.export writes it.
  ValueId turn_batched(ValueId keys) {
    const ValueId folded =
        g_.node("Concat", {g_.ints({-1}), dim(keys, 2), g_.ints({kDim})}, {{"axis", std::int64_t{0}}});
    const ValueId turned = transpose(g_.node("Reshape", {keys, folded}), {0, 2, 1});
    const ValueId shape =
        g_.node("Concat", {dim(keys, 0), g_.ints({kHeads, kDim}), dim(keys, 2)}, {{"axis", std::int64_t{0}}});
    return g_.node("Reshape", {turned, shape});
  }

  ValueId masked(ValueId scores) {
    if (s_.mask == EncoderStyle::MaskIs::none) return scores;
    if (s_.mask == EncoderStyle::MaskIs::pairs_bool) {
      return g_.node("Where", {mask_, scores, g_.scalar(std::numeric_limits<float>::lowest())});
    }
    if (s_.mask != EncoderStyle::MaskIs::where) return g_.node("Add", {scores, mask_});
    const ValueId spread = g_.node("Expand", {mask_, g_.node("Shape", {scores})});
    return g_.node("Where", {spread, g_.scalar(std::numeric_limits<float>::lowest()), scores});
  }

  EncoderStyle s_;
  test::SmallGraph g_;
  ValueId ids_ = engine::kNoValue;
  ValueId mask_input_ = engine::kNoValue;
  ValueId mask_ = engine::kNoValue;
  unsigned seed_ = 100;
};

}  // namespace sesame::models
