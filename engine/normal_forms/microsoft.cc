// ONNX Runtime's fused operators, taken apart into ai.onnx's: the other passes then find in its optimised graphs what
// they find in the exporter's. Attention stays whole; recognition knows it.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "engine/fused_activation.h"
#include "engine/normal_forms/emitter.h"
#include "engine/normal_forms/microsoft_attention.h"
#include "engine/normal_forms/normal_forms.h"
#include "engine/shape_probe.h"

namespace sesame::engine {

namespace {

constexpr int kVersion = 13;  // of the plain operators that are emitted

Attributes layernorm_attributes(const Node& node) {
  Attributes a = Emitter::with("axis", std::int64_t{-1});
  a.set("epsilon", node.attributes.real("epsilon", 1e-12f));
  return a;
}

ValueId add_unless_absent(Emitter& e, ValueId x, ValueId bias) {
  return bias == kNoValue ? x : e.emit("Add", kVersion, {x, bias});
}

bool has_output(const Node& node, std::size_t i) { return i < node.outputs.size() && node.outputs[i] != kNoValue; }

Tensor zeros(const Shape& shape) {
  const Tensor t = Tensor::allocate(DType::f32, shape);
  std::fill_n(t.data<float>(), t.size(), 0.0f);
  return t;
}

// LayerNorm(input + skip + bias). The fourth output is the sum itself.
bool emit_skip_layernorm(Emitter& e, const Graph& graph, const Node& node) {
  const Tensor gamma = graph.constant(node.input(2));
  if (has_output(node, 1) || has_output(node, 2) || (node.input(3) == kNoValue && !gamma)) return false;
  const ValueId beta = node.input(3) != kNoValue ? node.input(3) : e.constant(zeros(gamma.shape()));
  const ValueId biased = add_unless_absent(e, node.inputs[0], node.input(4));
  const std::vector<ValueId> operands = {biased, node.inputs[1]};
  ValueId sum;
  if (has_output(node, 3)) {
    sum = node.outputs[3];
    e.emit_to(sum, "Add", kVersion, operands);
  } else {
    sum = e.emit("Add", kVersion, operands);
  }
  e.emit_to(node.outputs[0], "LayerNormalization", 17, {sum, node.inputs[2], beta}, layernorm_attributes(node));
  return true;
}

bool emit_gelu(Emitter& e, const Node& node, const char* approximate) {
  const ValueId x = add_unless_absent(e, node.inputs[0], node.input(1));
  e.emit_to(node.outputs[0], "Gelu", 20, {x}, Emitter::with("approximate", std::string(approximate)));
  return true;
}

// x * sigmoid(alpha x)
bool emit_quick_gelu(Emitter& e, const Node& node) {
  const ValueId x = node.inputs[0];
  const float alpha = node.attributes.real("alpha", 1.702f);
  const ValueId scaled = alpha == 1 ? x : e.emit("Mul", kVersion, {x, e.constant(Tensor::scalar(alpha))});
  e.emit_to(node.outputs[0], "Mul", kVersion, {x, e.emit("Sigmoid", kVersion, {scaled})});
  return true;
}

// LayerNorm(word[ids] + position[0 .. length) + segment[segments]), and how many positions the mask keeps. In the
// quantized form the tables and the norm's parameters are bytes, whose scales and zero points follow the mask.
bool emit_embed_layernorm(Emitter& e, const Node& node) {
  constexpr std::size_t kWord = 2, kScales = 8, kZeroPoints = 13;
  const bool quantized = node.op == "QEmbedLayerNormalization";
  const auto floats = [&](ValueId bytes, std::size_t input) {
    if (!quantized) return bytes;
    const std::size_t i = input - kWord;
    return e.emit("DequantizeLinear", kVersion, {bytes, node.input(kScales + i), node.input(kZeroPoints + i)});
  };
  const ValueId ids = node.input(0), segments = node.input(1);
  const ValueId segment = node.input(4), mask = node.input(7);
  if (node.input(5) == kNoValue || node.input(6) == kNoValue || has_output(node, 2)) return false;
  if (has_output(node, 1) && mask == kNoValue) return false;
  const auto gather = [&](ValueId table, ValueId rows) {
    return e.emit("Gather", kVersion, {table, rows}, Emitter::with("axis", std::int64_t{0}));
  };
  const auto lookup = [&](std::size_t table, ValueId rows) { return floats(gather(node.input(table), rows), table); };
  const auto number = [&](std::int64_t n) { return e.constant(Tensor::scalar<std::int64_t>(n)); };
  ValueId positions = quantized ? kNoValue : node.input(8);
  if (positions == kNoValue) {
    const ValueId shape = e.emit("Shape", kVersion, {ids});
    const ValueId length = gather(shape, number(1));
    positions = e.emit("Range", 11, {number(0), length, number(1)});
  }
  ValueId sum = e.emit("Add", kVersion, {lookup(2, ids), lookup(3, positions)});
  if (segment != kNoValue && segments != kNoValue) sum = e.emit("Add", kVersion, {sum, lookup(4, segments)});
  e.emit_to(node.outputs[0], "LayerNormalization", 17, {sum, floats(node.inputs[5], 5), floats(node.inputs[6], 6)},
            layernorm_attributes(node));
  if (has_output(node, 1)) {
    const ValueId axes = e.constant(Tensor::of<std::int64_t>({1}, {1}));
    e.emit_to(node.outputs[1], "ReduceSum", kVersion, {mask, axes}, Emitter::with("keepdims", std::int64_t{0}));
  }
  return true;
}

// ai.onnx's of opset 17, which older graphs import from here.
bool emit_layernorm(Emitter& e, const Node& node) {
  if (has_output(node, 1) || has_output(node, 2)) return false;
  e.emit_to(node.outputs[0], "LayerNormalization", 17, node.inputs, node.attributes);
  return true;
}

// activation(Gemm(..))
bool emit_fused_gemm(Emitter& e, const Node& node) {
  Node activation = activation_of(node);
  if (!is_fusable_activation(activation)) return false;
  Attributes gemm;
  for (const auto& [key, value] : node.attributes.all()) {
    if (!key.starts_with("activation")) gemm.set(key, value);
  }
  e.emit_to(node.outputs[0], activation.op, activation.version,
            {e.emit("Gemm", kVersion, node.inputs, std::move(gemm))}, std::move(activation.attributes));
  return true;
}

// alpha * a b, with the last two axes of either operand exchanged first.
bool emit_fused_matmul(Emitter& e, const Node& node, const ShapeProbe& probe) {
  if (node.attributes.integer("transBatchA", 0) != 0 || node.attributes.integer("transBatchB", 0) != 0) return false;
  const auto operand = [&](std::size_t i, const char* flag) -> ValueId {
    const std::size_t rank = probe.rank(node.inputs[i]);
    if (node.attributes.integer(flag, 0) == 0) return node.inputs[i];
    if (rank < 2) return kNoValue;
    std::vector<std::int64_t> perm(rank);
    for (std::size_t axis = 0; axis < rank; ++axis) perm[axis] = static_cast<std::int64_t>(axis);
    std::swap(perm[rank - 1], perm[rank - 2]);
    return e.emit("Transpose", kVersion, {node.inputs[i]}, Emitter::with("perm", perm));
  };
  const ValueId a = operand(0, "transA");
  const ValueId b = operand(1, "transB");
  if (a == kNoValue || b == kNoValue) return false;
  const float alpha = node.attributes.real("alpha", 1);
  if (alpha == 1) {
    e.emit_to(node.outputs[0], "MatMul", kVersion, {a, b});
  } else {
    const ValueId product = e.emit("MatMul", kVersion, {a, b});
    e.emit_to(node.outputs[0], "Mul", kVersion, {product, e.constant(Tensor::scalar<float>(alpha))});
  }
  return true;
}

bool is_float(const Graph& graph, ValueId id) {
  const Tensor& t = graph.constant(id);
  return !t || t.type() == DType::f32;
}

bool take_apart(Graph& graph, std::vector<Node>& nodes, const Node& node, const ShapeProbe& probe) {
  for (ValueId id : node.inputs) {
    if (id != kNoValue && !is_float(graph, id) && graph.constant(id).type() == DType::f16) return false;
  }
  Emitter e(graph, nodes, node.name.empty() ? graph.value(node.outputs[0]).name : node.name);
  if (node.op == "SkipLayerNormalization") return emit_skip_layernorm(e, graph, node);
  if (node.op == "EmbedLayerNormalization" || node.op == "QEmbedLayerNormalization")
    return emit_embed_layernorm(e, node);
  if (node.op == "BiasGelu" || node.op == "Gelu") return emit_gelu(e, node, "none");
  if (node.op == "FastGelu") return emit_gelu(e, node, "tanh");
  if (node.op == "QuickGelu") return emit_quick_gelu(e, node);
  if (node.op == "LayerNormalization") return emit_layernorm(e, node);
  if (node.op == "FusedGemm") return emit_fused_gemm(e, node);
  if (node.op == "Attention" || node.op == "MultiHeadAttention" || node.op == "ProjectedAttention")
    return emit_attention(e, graph, probe, node);
  if (node.op == "FusedMatMul" || node.op == "TransposeMatMul") return emit_fused_matmul(e, node, probe);
  return false;
}

}  // namespace

bool take_fusions_apart(Graph& graph) {
  const auto is_fused = [](const Node& n) { return n.domain == kMicrosoft || n.is("ProjectedAttention", kSesame); };
  if (!std::any_of(graph.nodes.begin(), graph.nodes.end(), is_fused)) return false;
  const ShapeProbe probe(graph);
  bool changed = false;
  std::vector<Node> nodes;
  nodes.reserve(graph.nodes.size());
  for (Node& node : graph.nodes) {
    const std::size_t before = nodes.size();
    if (is_fused(node) && take_apart(graph, nodes, node, probe)) {
      changed = true;
      continue;
    }
    nodes.resize(before);
    nodes.push_back(std::move(node));
  }
  graph.nodes = std::move(nodes);
  return changed;
}

}  // namespace sesame::engine
