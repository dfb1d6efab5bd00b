// ONNX Runtime's Attention (one merged projection), QAttention (the same on bytes) and MultiHeadAttention (projected
// queries, keys and values).
#include <algorithm>
#include <cmath>

#include "engine/operators/attention.h"
#include "engine/operators/integer_product.h"
#include "engine/operators/quantization.h"
#include "engine/operators/registry.h"
#include "kernels/pack.h"

namespace sesame::engine {

namespace {

using HalfOrFloat = Types<float, Half>;

Tensor optional(const Inference& io, std::size_t i) { return io.has(i) ? io.input(i) : Tensor(); }
Tensor optional(const Execution& e, std::size_t i) { return e.has(i) ? e.inputs[i] : Tensor(); }

// The output as float32: itself, or memory to be rounded from.
Tensor float_output(const Tensor& y) { return y.type() == DType::f32 ? y : Tensor::allocate(DType::f32, y.shape()); }

void finish_output(const Tensor& computed, const Tensor& y) {
  if (y.type() == DType::f16) to_halves(computed.data<float>(), static_cast<std::size_t>(y.size()), y.data<Half>());
}

struct AttentionAttributes {
  explicit AttentionAttributes(const Node& node)
      : heads(node.attributes.integer("num_heads")),
        scale(node.attributes.real("scale", 0)),
        filter(node.attributes.real("mask_filter_value", -10000.0f)),
        causal(node.attributes.integer("unidirectional", 0) != 0) {
    if (heads < 1) throw Error("attribute 'num_heads' is " + std::to_string(heads) + ", expected at least 1");
    if (node.attributes.integer("do_rotary", 0) != 0) throw Error("rotary embedding is not supported");
    if (node.attributes.integer("past_present_share_buffer", 0) != 0) throw Error("shared buffers are not supported");
  }
  float scale_for(std::int64_t head_dim) const {
    return scale != 0 ? scale : 1.0f / std::sqrt(static_cast<float>(head_dim));
  }
  // The width of one head. Throws Error when heads do not divide it.
  std::int64_t head_width(std::int64_t hidden) const {
    if (hidden < 1 || hidden % heads != 0) {
      throw Error(std::to_string(hidden) + " features do not divide into " + std::to_string(heads) + " heads");
    }
    return hidden / heads;
  }

  std::int64_t heads;
  float scale;
  float filter;
  bool causal;
};

// The merged projection [batch, sequence, query | key | value features].
class MergedAttention : public Operator {
 public:
  // Where the two operators find their inputs.
  struct Inputs {
    std::size_t mask, past, bias;  // bias: added to the scores; kAnyNumber where there is none
  };

  MergedAttention(const Node& node, Inputs inputs)
      : attributes_(node), sizes_(node.attributes.maybe_integers("qkv_hidden_sizes")), inputs_(inputs) {
    if (sizes_ && sizes_->empty()) sizes_.reset();
    if (sizes_ && (sizes_->size() != 3 || (*sizes_)[0] != (*sizes_)[1] || (*sizes_)[2] < 1)) {
      throw Error("attribute 'qkv_hidden_sizes' is " + to_string(*sizes_) +
                  ", expected three sizes, the first two equal");
    }
  }

 protected:
  // Checks all but types; gives the outputs.
  void infer_outputs(Inference& io, DType type) const {
    const HeadShape s = shape(io.input(0), io.input(1), optional(io, inputs_.past));
    if (io.has(2)) {
      check_shape("the bias", io.input(2).shape(), {s.heads * (2 * s.head_dim + s.value_dim)});
    }
    infer_outputs(io, type, s);
  }
  void infer_outputs(Inference& io, DType type, const HeadShape& s) const {
    ScoreBias::check(s, optional(io, inputs_.mask), optional(io, inputs_.bias));
    io.output(0, type, {s.batch, s.queries, s.heads * s.value_dim});
    io.output(1, type, {2, s.batch, s.heads, s.total(), s.head_dim});
  }

  HeadShape shape(const Tensor& input, const Tensor& weights, const Tensor& past) const {
    if (input.rank() != 3) throw Error("the input has shape " + to_string(input.shape()) + ", expected three axes");
    if (weights.rank() != 2 || weights.dim(0) != input.dim(2)) {
      throw Error("weights of shape " + to_string(weights.shape()) + " do not fit the input's " +
                  to_string(input.shape()));
    }
    return shape(input, weights.dim(1), past);
  }
  // With `columns` features of query, key and value.
  HeadShape shape(const Tensor& input, std::int64_t columns, const Tensor& past) const {
    const std::int64_t hidden = sizes_ ? (*sizes_)[0] : columns / 3;
    const std::int64_t values = sizes_ ? (*sizes_)[2] : columns / 3;
    if (hidden > columns || values > columns || 2 * hidden + values != columns) {
      throw Error(std::to_string(columns) + " columns do not divide into query, key and value");
    }
    HeadShape s{};
    s.batch = input.dim(0);
    s.heads = attributes_.heads;
    s.queries = s.keys = input.dim(1);
    s.head_dim = attributes_.head_width(hidden);
    s.value_dim = attributes_.head_width(values);
    if (past) {
      if (past.rank() == 5) s.past = past.dim(3);
      check_shape("past", past.shape(), {2, s.batch, s.heads, s.past, s.head_dim});
      if (s.head_dim != s.value_dim) throw Error("past needs keys and values of one width");
    }
    return s;
  }

  // From the projection, biases included.
  void attend_projected(const Execution& e, const HeadShape& s, const Tensor& projected) const {
    const std::int64_t columns = s.heads * (2 * s.head_dim + s.value_dim);
    const float* data = projected.data<float>();
    const HeadRows q{data, s.queries * columns, s.head_dim, columns};
    const HeadRows k{data + s.heads * s.head_dim, s.queries * columns, s.head_dim, columns};
    const HeadRows v{data + 2 * s.heads * s.head_dim, s.queries * columns, s.value_dim, columns};
    const ScoreBias bias(s, optional(e, inputs_.mask), optional(e, inputs_.bias), attributes_.causal,
                         attributes_.filter);
    KeyValueState state;
    Tensor past, present;
    if (e.has(inputs_.past)) {
      past = as_floats(e.inputs[inputs_.past]);
      state.past_keys = past.data<float>();
      state.past_values = past.data<float>() + past.size() / 2;
    }
    if (wants(e, 1)) {
      if (s.head_dim != s.value_dim) throw Error("present needs keys and values of one width");
      present = float_output(e.outputs[1]);
      state.present_keys = present.data<float>();
      state.present_values = present.data<float>() + present.size() / 2;
    }
    const Tensor out = float_output(e.outputs[0]);
    attend(*e.kernels, s, attributes_.scale_for(s.head_dim), q, k, v, bias, state, out.data<float>());
    finish_output(out, e.outputs[0]);
    if (present) finish_output(present, e.outputs[1]);
  }

  AttentionAttributes attributes_;
  std::optional<std::vector<std::int64_t>> sizes_;
  Inputs inputs_;
};

// Input, weights, bias, mask, past, attention bias.
class Attention : public MergedAttention {
 public:
  explicit Attention(const Node& node) : MergedAttention(node, {3, 4, 5}) { check_inputs(node, 2, 6); }
  void infer(Inference& io) const override {
    check_type(io, 0, HalfOrFloat{});
    check_same_type(io, 0, 1);
    for (std::size_t i : {2u, 4u}) {
      if (io.has(i)) check_same_type(io, 0, i);
    }
    infer_outputs(io, io.input(0).type());
  }
  void compute(const Execution& e) const override {
    const HeadShape s = shape(e.inputs[0], e.inputs[1], optional(e, inputs_.past));
    if (e.outputs[0].size() == 0) return;
    const Tensor x = as_floats(e.inputs[0]);
    const Tensor w = as_floats(e.inputs[1]);
    const Tensor bias = e.has(2) ? as_floats(e.inputs[2]) : Tensor();
    const auto K = static_cast<std::size_t>(w.dim(0)), N = static_cast<std::size_t>(w.dim(1));
    const Tensor packed = Tensor::allocate(DType::f32, {static_cast<std::int64_t>(kernels::packed_f32_size(K, N))});
    kernels::pack_f32(w.data<float>(), w.dim(1), 1, K, N, packed.data<float>());
    const Tensor projected = Tensor::allocate(DType::f32, {s.batch * s.queries, w.dim(1)});
    kernels::GemmF32 g{};
    g.a = x.data<float>();
    g.lda = w.dim(0);
    g.b = packed.data<float>();
    g.M = static_cast<std::size_t>(s.batch * s.queries);
    g.N = N;
    g.K = K;
    g.epilogue.bias = bias ? bias.data<float>() : nullptr;
    g.c = projected.data<float>();
    g.ldc = w.dim(1);
    e.kernels->gemm_f32(g);
    attend_projected(e, s, projected);
  }
};

// Input, weights, bias, scale of the input, scales of the weights, mask, zero points of both, past.
class QAttention : public MergedAttention {
 public:
  QAttention(const Graph& graph, const Node& node) : MergedAttention(node, {5, 8, kAnyNumber}) {
    check_inputs(node, 5, 9);
    check_constant_scales(graph, node, 3);
    check_constant_scales(graph, node, 4);
  }
  void infer(Inference& io) const override {
    check_type(io, 0, ByteTypes{});
    check_type(io, 1, ByteTypes{});
    check_type(io, 2, Types<float>{});
    infer_outputs(io, DType::f32);
    const std::int64_t columns = io.input(1).dim(1);
    check_scale_shape("the input's scale", io.input(3), 1);
    check_scale_shape("the weights' scale", io.input(4), columns);
    check_zero_point("the input's zero point", optional(io, 6), io.input(0).type(), 1);
    check_zero_point("the weights' zero point", optional(io, 7), io.input(1).type(), columns);
    if (io.has(8)) check_type(io, 8, Types<float>{});
  }
  void compute(const Execution& e) const override {
    check_scales(e.inputs[3]);
    check_scales(e.inputs[4]);
    const HeadShape s = shape(e.inputs[0], e.inputs[1], optional(e, inputs_.past));
    if (e.outputs[0].size() == 0) return;
    const std::int64_t M = s.batch * s.queries, K = e.inputs[1].dim(0), N = e.inputs[1].dim(1);
    std::vector<std::int16_t> x(static_cast<std::size_t>(M * K)), w(static_cast<std::size_t>(K * N));
    const Tensor x_zero = optional(e, 6), w_zero = optional(e, 7);
    widen(e.inputs[0], x_zero, x.data());
    widen(e.inputs[1], w_zero, w.data());
    std::vector<std::int32_t> acc(static_cast<std::size_t>(M * N));
    multiply_int16(x.data(), w.data(), M, N, K, acc.data());
    const Tensor projected = Tensor::allocate(DType::f32, {M, N});
    for (std::int64_t i = 0; i < M * N; ++i) {
      const float scale = scale_at(e.inputs[3], 0) * scale_at(e.inputs[4], i % N);
      projected.data<float>()[i] =
          static_cast<float>(acc[static_cast<std::size_t>(i)]) * scale + e.inputs[2].data<float>()[i % N];
    }
    attend_projected(e, s, projected);
  }
};

// What follows the projection: projected queries, keys and values [batch, sequence, features of all three], mask, past.
// Normal forms make it of a QAttention whose projection is a QuantizedLinear of its own.
class ProjectedAttention : public MergedAttention {
 public:
  explicit ProjectedAttention(const Node& node) : MergedAttention(node, {1, 2, kAnyNumber}) {
    check_inputs(node, 1, 3);
  }
  void infer(Inference& io) const override {
    check_type(io, 0, Types<float>{});
    if (io.has(2)) check_type(io, 2, Types<float>{});
    infer_outputs(io, DType::f32, projected_shape(io.input(0), optional(io, 2)));
  }
  void compute(const Execution& e) const override {
    if (e.outputs[0].size() == 0) return;
    attend_projected(e, projected_shape(e.inputs[0], optional(e, 2)), e.inputs[0]);
  }

 private:
  HeadShape projected_shape(const Tensor& x, const Tensor& past) const {
    if (x.rank() != 3) throw Error("the projection has shape " + to_string(x.shape()) + ", expected three axes");
    return shape(x, x.dim(2), past);
  }
};

// Query, key, value, bias, key padding mask, attention bias, past key, past value. Keys and values may be packed behind
// the query [batch, sequence, heads, 3, dim] or together [batch, keys, heads, 2, dim], or come as heads of their own
// [batch, heads, keys, dim].
class MultiHeadAttention : public Operator {
 public:
  explicit MultiHeadAttention(const Node& node) : attributes_(node) {
    check_inputs(node, 1, 8);
    if (node.outputs.size() > 3 && node.outputs[3] != kNoValue) throw Error("the output of scores is not supported");
    if ((node.input(6) == kNoValue) != (node.input(7) == kNoValue)) {
      throw Error("past key and past value come together or not at all");
    }
  }
  void infer(Inference& io) const override {
    check_type(io, 0, HalfOrFloat{});
    for (std::size_t i : {1u, 2u, 3u, 6u, 7u}) {
      if (io.has(i)) check_same_type(io, 0, i);
    }
    const auto all = [&] {
      std::vector<Tensor> inputs;
      for (std::size_t i = 0; i < 8; ++i) inputs.push_back(optional(io, i));
      return inputs;
    }();
    const HeadShape s = shape(all);
    ScoreBias::check(s, all[4], all[5]);
    if (all[3]) check_shape("the bias", all[3].shape(), {s.heads * (2 * s.head_dim + s.value_dim)});
    io.output(0, all[0].type(), {s.batch, s.queries, s.heads * s.value_dim});
    io.output(1, all[0].type(), {s.batch, s.heads, s.total(), s.head_dim});
    io.output(2, all[0].type(), {s.batch, s.heads, s.total(), s.value_dim});
  }
  void compute(const Execution& e) const override {
    std::vector<Tensor> inputs;
    for (std::size_t i = 0; i < 8; ++i) {
      const Tensor t = optional(e, i);
      inputs.push_back(t && i != 4 ? as_floats(t) : t);
    }
    const HeadShape s = shape(inputs);
    if (e.outputs[0].size() == 0) return;
    if (s.total() == 0) throw Error("there are no keys");
    HeadRows q, k, v;
    find_rows(inputs, s, q, k, v);
    Tensor biased[3];
    if (inputs[3]) {
      const float* bias = inputs[3].data<float>();
      biased[0] = add_bias(q, s, s.queries, s.head_dim, bias);
      biased[1] = add_bias(k, s, s.keys, s.head_dim, bias + s.heads * s.head_dim);
      biased[2] = add_bias(v, s, s.keys, s.value_dim, bias + 2 * s.heads * s.head_dim);
    }
    const ScoreBias bias(s, inputs[4], inputs[5], attributes_.causal, attributes_.filter);
    KeyValueState state;
    if (inputs[6]) {
      state.past_keys = inputs[6].data<float>();
      state.past_values = inputs[7].data<float>();
    }
    Tensor present[2];
    if (wants(e, 1) || wants(e, 2)) {
      present[0] = Tensor::allocate(DType::f32, {s.batch, s.heads, s.total(), s.head_dim});
      present[1] = Tensor::allocate(DType::f32, {s.batch, s.heads, s.total(), s.value_dim});
      state.present_keys = present[0].data<float>();
      state.present_values = present[1].data<float>();
    }
    const Tensor out = float_output(e.outputs[0]);
    attend(*e.kernels, s, attributes_.scale_for(s.head_dim), q, k, v, bias, state, out.data<float>());
    finish_output(out, e.outputs[0]);
    for (std::size_t i = 0; i < 2; ++i) {
      if (wants(e, i + 1)) assign_floats(present[i].data<float>(), e.outputs[i + 1]);
    }
  }

 private:
  HeadShape shape(const std::vector<Tensor>& inputs) const {
    const Tensor& query = inputs[0];
    const Tensor& key = inputs[1];
    const Tensor& value = inputs[2];
    HeadShape s{};
    s.heads = attributes_.heads;
    if (query.rank() != 3 && query.rank() != 5) refuse("query", query);
    s.batch = query.dim(0);
    s.queries = s.keys = query.dim(1);
    if (!key) {
      if (value) throw Error("a value without a key");
      if (query.rank() != 5 || query.dim(2) != s.heads || query.dim(3) != 3) refuse("query", query);
      s.head_dim = s.value_dim = query.dim(4);
    } else {
      if (query.rank() != 3) refuse("query", query);
      s.head_dim = attributes_.head_width(query.dim(2));
      read_key(key, value, s);
    }
    if (s.head_dim < 1) refuse("query", query);
    if (inputs[6]) {
      if (inputs[6].rank() != 4) refuse("past key", inputs[6]);
      s.past = inputs[6].dim(2);
      check_shape("past key", inputs[6].shape(), {s.batch, s.heads, s.past, s.head_dim});
      check_shape("past value", inputs[7].shape(), {s.batch, s.heads, s.past, s.value_dim});
    }
    return s;
  }

  void read_key(const Tensor& key, const Tensor& value, HeadShape& s) const {
    if (key.rank() == 5) {
      s.keys = key.dim(1);
      s.value_dim = s.head_dim;
      check_shape("key", key.shape(), {s.batch, s.keys, s.heads, 2, s.head_dim});
      if (value) throw Error("a value beside packed keys and values");
      return;
    }
    if (!value) throw Error("a key without a value");
    if (key.rank() == 4) {
      s.keys = key.dim(2);
      s.value_dim = value.rank() == 4 ? value.dim(3) : 0;
      check_shape("key", key.shape(), {s.batch, s.heads, s.keys, s.head_dim});
      check_shape("value", value.shape(), {s.batch, s.heads, s.keys, s.value_dim});
      return;
    }
    if (key.rank() != 3) refuse("key", key);
    if (value.rank() != 3) refuse("value", value);
    s.keys = key.dim(1);
    s.value_dim = attributes_.head_width(value.dim(2));
    check_shape("key", key.shape(), {s.batch, s.keys, s.heads * s.head_dim});
    check_shape("value", value.shape(), {s.batch, s.keys, s.heads * s.value_dim});
  }

  [[noreturn]] static void refuse(const char* what, const Tensor& t) {
    throw Error(std::string(what) + " has shape " + to_string(t.shape()) + ", which is no layout of attention");
  }

  // [batch, rows, heads, parts, dim], of which part `part`.
  static HeadRows interleaved(const Tensor& t, std::int64_t rows, std::int64_t heads, std::int64_t parts,
                              std::int64_t part, std::int64_t dim) {
    const std::int64_t row = heads * parts * dim;
    return {t.data<float>() + part * dim, rows * row, parts * dim, row};
  }

  static void find_rows(const std::vector<Tensor>& inputs, const HeadShape& s, HeadRows& q, HeadRows& k, HeadRows& v) {
    const Tensor& key = inputs[1];
    q = interleaved(inputs[0], s.queries, s.heads, key ? 1 : 3, 0, s.head_dim);
    if (!key) {
      k = interleaved(inputs[0], s.keys, s.heads, 3, 1, s.head_dim);
      v = interleaved(inputs[0], s.keys, s.heads, 3, 2, s.head_dim);
    } else if (key.rank() == 5) {
      k = interleaved(key, s.keys, s.heads, 2, 0, s.head_dim);
      v = interleaved(key, s.keys, s.heads, 2, 1, s.head_dim);
    } else if (key.rank() == 4) {
      k = {key.data<float>(), s.heads * s.keys * s.head_dim, s.keys * s.head_dim, s.head_dim};
      v = {inputs[2].data<float>(), s.heads * s.keys * s.value_dim, s.keys * s.value_dim, s.value_dim};
    } else {
      k = interleaved(key, s.keys, s.heads, 1, 0, s.head_dim);
      v = interleaved(inputs[2], s.keys, s.heads, 1, 0, s.value_dim);
    }
  }

  // Points `rows` at a copy with the bias [heads * dim] added, which it returns.
  static Tensor add_bias(HeadRows& rows, const HeadShape& s, std::int64_t count, std::int64_t dim, const float* bias) {
    const Tensor sum = Tensor::allocate(DType::f32, {s.batch, count, s.heads, dim});
    float* to = sum.data<float>();
    for (std::int64_t b = 0; b < s.batch; ++b) {
      for (std::int64_t i = 0; i < count; ++i) {
        for (std::int64_t h = 0; h < s.heads; ++h) {
          const float* from = rows.of(b, h) + i * rows.row_stride;
          for (std::int64_t d = 0; d < dim; ++d) *to++ = from[d] + bias[h * dim + d];
        }
      }
    }
    rows = interleaved(sum, count, s.heads, 1, 0, dim);
    return sum;
  }

  AttentionAttributes attributes_;
};

}  // namespace

void register_microsoft_attention(Registry& r) {
  r.add(kMicrosoft, "Attention", 1, make<Attention>());
  r.add(kSesame, "ProjectedAttention", 1, make<ProjectedAttention>());
  r.add(kMicrosoft, "QAttention", 1, make<QAttention>());
  r.add(kMicrosoft, "MultiHeadAttention", 1, make<MultiHeadAttention>());
}

}  // namespace sesame::engine
