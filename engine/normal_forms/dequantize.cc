// Graphs that say Quantize and Dequantize around float operators, brought to what they mean: products of bytes, and
// bytes that are moved as bytes.
#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/normal_forms/emitter.h"
#include "engine/normal_forms/matcher.h"
#include "engine/normal_forms/normal_forms.h"
#include "engine/quantized_node.h"

namespace sesame::engine {

namespace {

constexpr std::string_view kMoves[] = {"Reshape", "Transpose", "Squeeze", "Unsqueeze",
                                       "Gather",  "Slice",     "Flatten", "Split"};

bool is_byte_type(DType type) { return type == DType::u8 || type == DType::i8; }

bool equal_bytes(const Tensor& a, const Tensor& b) {
  return a.type() == b.type() && a.bytes() == b.bytes() &&
         std::equal(static_cast<const std::byte*>(a.raw()), static_cast<const std::byte*>(a.raw()) + a.bytes(),
                    static_cast<const std::byte*>(b.raw()));
}

// Whether quantizing with `q` gives back the bytes that `dq` dequantized, both per tensor: (q - z) * s is off by less
// than half a step.
bool is_inverse(const Graph& graph, const Node& dq, const Node& q) {
  const Tensor &a = graph.constant(dq.input(2)), &b = graph.constant(q.input(2));
  return a && b && is_byte_type(a.type()) && equal_bytes(a, b) &&
         equal_bytes(graph.constant(dq.input(1)), graph.constant(q.input(1))) &&
         std::isnormal(*graph.constant(q.input(1)).data<float>());
}

}  // namespace

void move_bytes(Graph& graph) {
  std::vector<Node> nodes;
  std::vector<const Node*> dequantize(graph.value_count());  // by the value that it makes
  std::vector<std::pair<ValueId, ValueId>> same;             // (what a Quantize makes, the bytes that it would make)
  std::vector<std::unique_ptr<Node>> owned;
  const auto remember = [&](const Node& node) {
    dequantize.resize(graph.value_count());
    if (!is_dequantize(node) || !has_tensor_parameters(graph, node) || node.output(0) == kNoValue) return;
    owned.push_back(std::make_unique<Node>(node));
    dequantize[static_cast<std::size_t>(node.output(0))] = owned.back().get();
  };
  const auto made_of = [&](ValueId id) {
    return id == kNoValue || static_cast<std::size_t>(id) >= dequantize.size()
               ? nullptr
               : dequantize[static_cast<std::size_t>(id)];
  };
  for (Node& node : graph.nodes) {
    const Node* source = made_of(node.input(0));
    const bool moves =
        node.domain == kOnnx && std::find(std::begin(kMoves), std::end(kMoves), node.op) != std::end(kMoves);
    const bool is_whole = std::find(node.outputs.begin(), node.outputs.end(), kNoValue) == node.outputs.end();
    if (source != nullptr && moves && is_whole) {
      const Node dq = *source;
      const std::vector<ValueId> floats = node.outputs;
      node.inputs[0] = dq.input(0);
      for (ValueId& id : node.outputs) id = graph.add_value(graph.value(id).name + "/bytes");
      const std::vector<ValueId> bytes = node.outputs;
      const std::string name = node.name;
      nodes.push_back(std::move(node));
      for (std::size_t i = 0; i < bytes.size(); ++i) {
        Node after = dq;
        after.inputs[0] = bytes[i];
        after.outputs = {floats[i]};
        after.name = name;
        nodes.push_back(std::move(after));
        remember(nodes.back());
      }
    } else {
      if (source != nullptr && is_quantize(node) && has_tensor_parameters(graph, node) &&
          is_inverse(graph, *source, node)) {
        same.emplace_back(node.output(0), source->input(0));
      }
      nodes.push_back(std::move(node));
      remember(nodes.back());
    }
  }
  graph.nodes = std::move(nodes);
  const Uses uses(graph);
  for (const auto& [quantized, bytes] : same) {
    if (!uses.is_graph_output(quantized)) graph.replace_uses(quantized, bytes);
  }
  remove_dead_nodes(graph);
}

namespace {

// MatMul and Gemm of dequantized operands as products of bytes.
class Products {
 public:
  explicit Products(Graph& graph) : graph_(graph), m_(graph) {}

  void run() {
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      const Node& node = graph_.nodes[n];
      if (!node.is("MatMul") && !node.is("Gemm")) continue;
      const Node* a = dequantized(node.input(0));
      const Node* b = dequantized(node.input(1));
      if (a == nullptr || b == nullptr || !has_tensor_parameters(graph_, *a) || graph_.is_constant(a->input(0)))
        continue;
      if (node.is("MatMul") ? !is_right_operand(*b, 1) : !is_gemm(node, *b)) continue;
      node.is("MatMul") ? rewrite_matmul(n, *a, *b) : rewrite_gemm(n, *a, *b);
    }
    for (auto& [n, node] : rewrites_) graph_.nodes[n] = std::move(node);
    remove_dead_nodes(graph_);
  }

 private:
  // The Dequantize of bytes that makes the value.
  const Node* dequantized(ValueId id) const {
    const Node* node = id == kNoValue ? nullptr : m_.uses().producer(id);
    if (node == nullptr || !is_dequantize(*node) || !has_constant_parameters(graph_, *node)) return nullptr;
    const Tensor& zero = graph_.constant(node->input(2));
    const Tensor& q = graph_.constant(node->input(0));
    if (zero && !is_byte_type(zero.type())) return nullptr;
    // Without a zero point only a constant shows its type.
    return zero || (q && is_byte_type(q.type())) ? node : nullptr;
  }

  // Per tensor; or a constant matrix with scales along the axis of its columns.
  bool is_right_operand(const Node& b, std::int64_t column_axis) const {
    if (has_tensor_parameters(graph_, b)) return true;
    const Tensor& w = graph_.constant(b.input(0));
    if (!w || w.rank() != 2) return false;
    std::int64_t axis = b.attributes.integer("axis", 1);
    if (axis < 0) axis += 2;
    return axis == column_axis && graph_.constant(b.input(1)).rank() == 1;
  }

  bool is_gemm(const Node& node, const Node& b) const {
    const bool transposed = node.attributes.integer("transB", 0) != 0;
    const Tensor& w = graph_.constant(b.input(0));
    if (!w || w.rank() != 2 || node.attributes.integer("transA", 0) != 0) return false;
    if (node.attributes.real("alpha", 1) != 1 || node.attributes.real("beta", 1) != 1) return false;
    return is_right_operand(b, transposed ? 0 : 1) &&
           (node.input(2) == kNoValue || bias_of(node, columns(w, transposed)).has_value());
  }

  static std::int64_t columns(const Tensor& w, bool transposed) { return w.dim(transposed ? 0 : 1); }

  // A float vector, or a dequantized one of int32.
  struct Bias {
    Tensor floats;
    Tensor integers;  // and their scales, where it has them
    Tensor scale;
  };
  std::optional<Bias> bias_of(const Node& node, std::int64_t n) const {
    const ValueId id = node.input(2);
    if (m_.is_vector(id, n)) return Bias{graph_.constant(id), {}, {}};
    const Node* dq = m_.uses().producer(id);
    if (dq == nullptr || !is_dequantize(*dq) || !has_constant_parameters(graph_, *dq)) return std::nullopt;
    const Tensor& q = graph_.constant(dq->input(0));
    const Tensor& zero = graph_.constant(dq->input(2));
    const Tensor& scale = graph_.constant(dq->input(1));
    if (!q || q.type() != DType::i32 || q.rank() != 1 || q.dim(0) != n) return std::nullopt;
    if (scale.size() != 1 && scale.size() != n) return std::nullopt;
    const auto* zeros = zero ? zero.data<std::int32_t>() : nullptr;
    if (zero && std::any_of(zeros, zeros + zero.size(), [](std::int32_t z) { return z != 0; })) return std::nullopt;
    Bias bias{Tensor::allocate(DType::f32, {n}), q, scale};
    for (std::int64_t i = 0; i < n; ++i) {
      bias.floats.data<float>()[i] =
          static_cast<float>(q.data<std::int32_t>()[i]) * scale.data<float>()[scale.size() == 1 ? 0 : i];
    }
    return bias;
  }

  // Whether the integers of a bias count in the product's own units, so that they can be added to its sums.
  bool counts_like_sums(const Bias& bias, const Node& a, const Node& b) const {
    if (!bias.integers) return false;
    const float* product_scale = graph_.constant(b.input(1)).data<float>();
    const bool per_column = graph_.constant(b.input(1)).size() != 1;
    for (std::int64_t i = 0; i < bias.integers.size(); ++i) {
      const float want = *graph_.constant(a.input(1)).data<float>() * product_scale[per_column ? i : 0];
      const float have = bias.scale.data<float>()[bias.scale.size() == 1 ? 0 : i];
      if (!(std::fabs(have - want) <= 1e-6f * std::fabs(want))) return false;
    }
    return true;
  }

  // The Quantize, per tensor, that is all that reads the value.
  std::optional<std::size_t> quantized_at(ValueId id) const {
    if (!m_.uses().has_one_reader(id)) return std::nullopt;
    const int n = m_.uses().readers(id)[0];
    const Node& q = graph_.nodes[static_cast<std::size_t>(n)];
    if (!is_quantize(q) || !has_tensor_parameters(graph_, q) || q.output(0) == kNoValue) return std::nullopt;
    const Tensor& zero = graph_.constant(q.input(2));
    if (zero ? !is_byte_type(zero.type()) : q.attributes.integer("output_dtype", 0) != 0) return std::nullopt;
    return static_cast<std::size_t>(n);
  }

  ValueId zero_point(const Node& node) {
    if (node.input(2) != kNoValue) return node.input(2);
    const Tensor& q = graph_.constant(node.input(0));
    const bool is_signed = q && q.type() == DType::i8;
    const Tensor& scale = graph_.constant(node.input(1));
    Tensor zero = Tensor::allocate(is_signed ? DType::i8 : DType::u8, scale.shape());
    std::fill_n(static_cast<std::uint8_t*>(zero.raw()), zero.bytes(), std::uint8_t{0});
    return graph_.add_constant(graph_.value(node.output(0)).name + "/zero_point", zero);
  }

  Node product(std::string op, std::string_view domain, std::size_t n, std::vector<ValueId> inputs, ValueId output) {
    Node node;
    node.op = std::move(op);
    node.domain = domain;
    node.version = domain == kOnnx ? 13 : 1;
    node.name = graph_.nodes[n].name;
    node.inputs = std::move(inputs);
    node.outputs = {output};
    return node;
  }

  void rewrite_matmul(std::size_t n, const Node& a, const Node& b) {
    const ValueId output = graph_.nodes[n].output(0);
    const ValueId a_zero = zero_point(a), b_zero = zero_point(b);
    if (const auto at = quantized_at(output)) {
      const Node& q = graph_.nodes[*at];
      const ValueId y_zero = zero_point(q);
      rewrites_.emplace_back(
          *at,
          product("QLinearMatMul", kOnnx, n,
                  {a.input(0), a.input(1), a_zero, b.input(0), b.input(1), b_zero, q.input(1), y_zero}, q.output(0)));
    } else {
      rewrites_.emplace_back(n, product("MatMulIntegerToFloat", kMicrosoft, n,
                                        {a.input(0), b.input(0), a.input(1), b.input(1), a_zero, b_zero}, output));
    }
  }

  void rewrite_gemm(std::size_t n, const Node& a, const Node& b) {
    const Node& gemm = graph_.nodes[n];
    const bool transposed = gemm.attributes.integer("transB", 0) != 0;
    ValueId output = gemm.output(0), bias_id = kNoValue;
    std::size_t at = n;
    std::vector<ValueId> quantized = {kNoValue, kNoValue};
    bool in_sums = gemm.input(2) == kNoValue;
    if (!in_sums) {
      const Bias bias = *bias_of(gemm, columns(graph_.constant(b.input(0)), transposed));
      in_sums = counts_like_sums(bias, a, b);
      bias_id = graph_.add_constant(graph_.value(gemm.input(2)).name + "/bias", in_sums ? bias.integers : bias.floats);
    }
    // A float bias is added before the result is quantized, which then stays a step of its own.
    if (const auto q = in_sums ? quantized_at(output) : std::nullopt) {
      const Node& node = graph_.nodes[*q];
      quantized = {node.input(1), zero_point(node)};
      output = node.output(0);
      at = *q;
    }
    Node linear = product("QuantizedLinear", kSesame, n,
                          {a.input(0), a.input(1), zero_point(a), b.input(0), b.input(1), zero_point(b), bias_id,
                           quantized[0], quantized[1]},
                          output);
    if (transposed) linear.attributes.set("transposed", std::int64_t{1});
    rewrites_.emplace_back(at, std::move(linear));
  }

  Graph& graph_;
  Matcher m_;
  std::vector<std::pair<std::size_t, Node>> rewrites_;
};

}  // namespace

void form_byte_products(Graph& graph) { Products(graph).run(); }

}  // namespace sesame::engine
