#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <numeric>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/normal_forms/emitter.h"
#include "engine/normal_forms/matcher.h"
#include "engine/normal_forms/normal_forms.h"
#include "engine/normal_forms/rewriter.h"
#include "engine/quantized_node.h"
#include "engine/shape_probe.h"

namespace sesame::engine {

namespace {

constexpr int kVersion = 13;  // of the operators that are emitted

using Axes = std::vector<std::int64_t>;
const Axes kTurn = {0, 2, 1};

constexpr std::array<std::string_view, 8> kUnary = {"Cast", "Erf", "Exp", "Gelu", "Neg", "Relu", "Sigmoid", "Tanh"};
constexpr std::array<std::string_view, 4> kBinary = {"Add", "Sub", "Mul", "Div"};

template <std::size_t N>
bool is_one_of(const Node& node, const std::array<std::string_view, N>& ops) {
  return node.domain == kOnnx && std::find(ops.begin(), ops.end(), node.op) != ops.end();
}

bool all_are(const std::optional<std::vector<std::int64_t>>& values, std::int64_t value) {
  return !values || std::all_of(values->begin(), values->end(), [&](std::int64_t v) { return v == value; });
}

// The Dequantize of constant bytes that makes a convolution's weight or bias, or null.
const Node* dequantize_of(const Matcher& m, ValueId id) {
  const Node* dq = id == kNoValue ? nullptr : m.uses().producer(id);
  const bool constant = dq != nullptr && is_dequantize(*dq) && has_constant_parameters(m.graph(), *dq) &&
                        m.graph().is_constant(dq->input(0));
  return constant ? dq : nullptr;
}

// One for the tensor, or one for each of n.
bool is_one_or(const Tensor& t, std::int64_t n) { return t.size() == 1 || (t.rank() == 1 && t.size() == n); }

bool is_quantized_by_output(const Graph& graph, const Node& dq, std::int64_t out) {
  const Tensor& scale = graph.constant(dq.input(1));
  if (dq.input(2) != kNoValue && graph.constant(dq.input(2)).size() != scale.size()) return false;
  return scale.size() == 1 || (is_one_or(scale, out) && dq.attributes.integer("axis", 1) == 0);
}

// Where a convolution has its weight.
ValueId weight_of(const Matcher& m, const Node& node) {
  if (node.is("QLinearConv")) return node.input(3);
  const Node* dq = node.is("Conv") ? dequantize_of(m, node.input(1)) : nullptr;
  return dq != nullptr ? dq->input(0) : node.input(1);
}

bool has_pointwise_kernel(const Node& node, const Tensor& w) {
  return w && w.rank() == 3 && w.dim(2) == 1 && w.size() > 0 && all_are(node.attributes.maybe_integers("strides"), 1) &&
         all_are(node.attributes.maybe_integers("pads"), 0) && node.attributes.integer("group", 1) > 0 &&
         w.dim(0) % node.attributes.integer("group", 1) == 0;
}

// A bias of floats, or of bytes' products.
bool has_known_bias(const Matcher& m, const Node& node, std::int64_t out) {
  if (node.input(2) == kNoValue) return true;
  const Tensor& bias = m.graph().constant(node.input(2));
  if (bias) return bias.type() == DType::f32 && bias.size() == out;
  const Node* dq = dequantize_of(m, node.input(2));
  return dq != nullptr && m.graph().constant(dq->input(0)).size() == out &&
         is_one_or(m.graph().constant(dq->input(1)), out);
}

// Whether inputs are constant, each one number or one for each output.
bool are_known(const Graph& graph, const Node& node, std::initializer_list<std::size_t> inputs, std::int64_t out) {
  return std::all_of(inputs.begin(), inputs.end(), [&](std::size_t i) {
    return node.input(i) == kNoValue ||
           (graph.is_constant(node.input(i)) && is_one_or(graph.constant(node.input(i)), out));
  });
}

// Over one axis, with a kernel of one position: a product by a matrix.
bool is_pointwise(const Matcher& m, const Node& node) {
  const bool convolution = node.is("Conv") || node.is("ConvInteger") || node.is("QLinearConv");
  if (!convolution || node.output(0) == kNoValue) return false;
  const Graph& graph = m.graph();
  const Tensor& w = graph.constant(weight_of(m, node));
  if (!has_pointwise_kernel(node, w)) return false;
  const std::int64_t out = w.dim(0);
  if (node.is("ConvInteger")) return are_known(graph, node, {3}, out);
  if (node.is("QLinearConv")) return are_known(graph, node, {4, 5, 8}, out) && are_known(graph, node, {6, 7}, 1);
  const Node* dq = dequantize_of(m, node.input(1));
  return (dq != nullptr ? is_quantized_by_output(graph, *dq, out) : w.type() == DType::f32) &&
         has_known_bias(m, node, out);
}

// A value that is Transpose(rows, perm).
struct Turned {
  ValueId rows;
  Axes perm;
};

class Turning : Rewriter {
 public:
  explicit Turning(Graph& graph) : Rewriter(graph), m_(graph), probe_(graph) {}

  void run() {
    rewrite([this](const Node& node) { return take(node); });
  }

 private:
  bool take(const Node& node) {
    if (node.output(0) == kNoValue) return false;
    if (node.is("DynamicQuantizeLinear")) return take_elementwise(node);
    if (node.outputs.size() != 1) return false;
    if (node.is("Transpose")) return take_transpose(node);
    if (is_pointwise(m_, node)) return take_convolution(node);
    if (node.is("Reshape")) return take_reshape(node);
    return take_grouped(node) || take_elementwise(node);
  }

  const Turned* turned(ValueId id) const {
    const auto it = turned_.find(now(id));
    return it == turned_.end() ? nullptr : &it->second;
  }

  // Makes the node's output Transpose(rows, perm).
  bool turn(const Node& node, ValueId rows, Axes perm) {
    emitter(node).emit_to(node.output(0), "Transpose", kVersion, {rows}, Emitter::with("perm", perm));
    turned_[node.output(0)] = {rows, std::move(perm)};
    return true;
  }

  // Two in a row become one, or none.
  bool take_transpose(const Node& node) {
    const auto perm = node.attributes.maybe_integers("perm");
    if (!perm) return false;
    const Turned* before = turned(node.input(0));
    if (before == nullptr || before->perm.size() != perm->size()) {
      turned_[node.output(0)] = {now(node.input(0)), *perm};
      return false;
    }
    const Turned inner = *before;
    Axes both;
    for (const std::int64_t axis : *perm) {
      if (axis < 0 || axis >= static_cast<std::int64_t>(perm->size())) return false;
      both.push_back(inner.perm[static_cast<std::size_t>(axis)]);
    }
    if (!std::is_sorted(both.begin(), both.end()) || m_.uses().is_graph_output(node.output(0))) {
      return turn(node, inner.rows, both);
    }
    alias_[node.output(0)] = inner.rows;
    return true;
  }

  // Weight [out, in / groups, 1] as a matrix [in / groups, out / groups] for each group.
  static Tensor group_weight(const Tensor& w, std::int64_t group, std::int64_t groups) {
    const std::int64_t out = w.dim(0) / groups, in = w.dim(1);
    const Tensor matrix = Tensor::allocate(w.type(), {in, out});
    const std::size_t size = byte_size(w.type());
    const auto at = [&](const Tensor& t, std::int64_t i) {
      return static_cast<std::byte*>(const_cast<void*>(t.raw())) + static_cast<std::size_t>(i) * size;
    };
    for (std::int64_t n = 0; n < out; ++n) {
      for (std::int64_t k = 0; k < in; ++k)
        std::memcpy(at(matrix, k * out + n), at(w, (group * out + n) * in + k), size);
    }
    return matrix;
  }

  // The group's part of what there is one of for each output; one for all is every group's.
  static Tensor group_part(const Tensor& t, std::int64_t group, std::int64_t groups) {
    if (!t || t.size() == 1) return t;
    const std::int64_t n = t.size() / groups;
    const Tensor part = Tensor::allocate(t.type(), {n});
    std::memcpy(const_cast<void*>(part.raw()),
                static_cast<const std::byte*>(t.raw()) + static_cast<std::size_t>(group) * part.bytes(), part.bytes());
    return part;
  }

  bool take_convolution(const Node& node) {
    const Tensor w = graph_.constant(weight_of(m_, node));
    const std::int64_t groups = node.attributes.integer("group", 1);
    const auto& shape = probe_.shape(node.input(0));
    if (!shape || shape->size() != 3 || !(*shape)[1].is(w.dim(1) * groups)) return false;
    Emitter e = emitter(node);
    const Turned* before = turned(node.input(0));
    const ValueId rows = before != nullptr && before->perm == kTurn
                             ? before->rows
                             : e.emit("Transpose", kVersion, {now(node.input(0))}, Emitter::with("perm", kTurn));
    std::vector<ValueId> parts(static_cast<std::size_t>(groups), rows);
    if (groups > 1) split(node, rows, w.dim(1), parts);
    for (std::int64_t g = 0; g < groups; ++g) {
      ValueId& part = parts[static_cast<std::size_t>(g)];
      part = multiply(node, e, part, group_weight(w, g, groups), g, groups);
    }
    return join(node, e, std::move(parts));
  }

  // The product of a group: of floats, of dequantized bytes, or of bytes.
  ValueId multiply(const Node& node, Emitter& e, ValueId x, const Tensor& w, std::int64_t g, std::int64_t groups) {
    const auto part = [&](ValueId id) {
      return id == kNoValue ? kNoValue : e.constant(group_part(graph_.constant(id), g, groups));
    };
    if (node.is("ConvInteger")) {
      return e.emit("MatMulInteger", 10, {x, e.constant(w), now(node.input(2)), part(node.input(3))});
    }
    if (node.is("QLinearConv")) {
      const ValueId y = e.emit("QuantizedLinear", 1,
                               {x, now(node.input(1)), now(node.input(2)), e.constant(w), part(node.input(4)),
                                part(node.input(5)), part(node.input(8)), now(node.input(6)), now(node.input(7))});
      nodes_.back().domain = kSesame;
      return y;
    }
    const auto dequantized = [&](const Node& dq, const Tensor& bytes, std::int64_t axis) {
      return e.emit("DequantizeLinear", kVersion, {e.constant(bytes), part(dq.input(1)), part(dq.input(2))},
                    Emitter::with("axis", axis));
    };
    const Node* dq = dequantize_of(m_, node.input(1));
    const ValueId y = e.emit("MatMul", kVersion, {x, dq != nullptr ? dequantized(*dq, w, 1) : e.constant(w)});
    if (node.input(2) == kNoValue) return y;
    const Node* integers = dequantize_of(m_, node.input(2));
    if (integers == nullptr) return e.emit("Add", kVersion, {y, part(node.input(2))});
    const Tensor bias = group_part(graph_.constant(integers->input(0)), g, groups);
    return e.emit("Add", kVersion, {y, dequantized(*integers, bias, 0)});
  }

  // Makes the node's output of what groups made. What follows may take the groups by themselves.
  bool join(const Node& node, Emitter& e, std::vector<ValueId> parts) {
    if (parts.size() == 1) return turn(node, parts[0], kTurn);
    const ValueId all = e.emit("Concat", kVersion, parts, Emitter::with("axis", std::int64_t{2}));
    groups_[node.output(0)] = std::move(parts);
    return turn(node, all, kTurn);
  }

  void split(const Node& node, ValueId rows, std::int64_t width, std::vector<ValueId>& parts) {
    const std::string name = graph_.value(node.output(0)).name;
    const std::vector<std::int64_t> sizes(parts.size(), width);
    Node split;
    split.op = "Split";
    split.version = kVersion;
    split.name = node.name;
    split.inputs = {rows, graph_.add_constant(name + "/sizes", Tensor::of<std::int64_t>(
                                                                   {static_cast<std::int64_t>(parts.size())}, sizes))};
    for (ValueId& part : parts) {
      part = graph_.add_value(name + "/group" + std::to_string(split.outputs.size()));
      split.outputs.push_back(part);
    }
    split.attributes.set("axis", std::int64_t{2});
    nodes_.push_back(std::move(split));
  }

  // A number for all elements, constant or computed.
  bool is_number(ValueId id) const {
    if (m_.scalar(id)) return true;
    const Tensor& t = graph_.constant(id);
    if (t) return t.size() == 1 && t.rank() <= 1;
    const auto& shape = probe_.shape(id);
    return shape && (shape->empty() || (shape->size() == 1 && (*shape)[0].is(1)));
  }

  // A constant for each channel of [batch, channels, length], as [channels]; else undefined.
  Tensor by_channel(ValueId id) const {
    const Tensor& t = graph_.constant(id);
    const bool channels = t && t.rank() >= 2 && t.rank() <= 3 && t.dim(t.rank() - 2) == t.size() && t.size() > 1;
    if (!channels) return {};
    Tensor flat = Tensor::allocate(t.type(), {t.size()});
    std::memcpy(const_cast<void*>(flat.raw()), t.raw(), t.bytes());
    return flat;
  }

  // The inputs that the operation works on element by element; nothing when it is another kind.
  std::vector<std::size_t> elements(const Node& node) const {
    const bool unary = is_one_of(node, kUnary) || node.is("DynamicQuantizeLinear") ||
                       is_per_tensor_quantize(graph_, node) || is_per_tensor_dequantize(graph_, node);
    if (unary) return {0};
    if (is_one_of(node, kBinary)) return {0, 1};
    const bool bytes = node.is("QLinearAdd", kMicrosoft) || node.is("QLinearMul", kMicrosoft);
    const auto known = [&](std::size_t i) { return node.input(i) == kNoValue || graph_.is_constant(node.input(i)); };
    const std::array<std::size_t, 6> parameters = {1, 2, 4, 5, 6, 7};
    if (!bytes || !std::all_of(parameters.begin(), parameters.end(), known)) return {};
    return {0, 3};
  }

  bool take_elementwise(const Node& node) {
    const Turned* first = nullptr;
    const std::optional<ProbedShape>* shape = nullptr;
    Node moved = node;
    for (ValueId& id : moved.inputs) id = now(id);
    const std::vector<std::size_t> operands = elements(node);
    for (std::size_t i : operands) {
      const ValueId id = node.input(i);
      const Turned* t = turned(id);
      if (t == nullptr) continue;
      if (first != nullptr && (t->perm != first->perm || probe_.shape(id) != *shape)) return false;
      first = t;
      shape = &probe_.shape(id);
      moved.inputs[i] = t->rows;
    }
    if (first == nullptr || !*shape) return false;
    for (std::size_t i : operands) {
      const ValueId id = node.input(i);
      if (id == kNoValue) return false;
      if (turned(id) != nullptr || is_number(id)) continue;
      const Tensor vector = first->perm == kTurn && node.domain == kOnnx ? by_channel(id) : Tensor();
      if (!vector) return false;
      moved.inputs[i] = graph_.add_constant(graph_.value(node.output(0)).name + "/channels", vector);
    }
    const Axes perm = first->perm;
    const ValueId rows = graph_.add_value(graph_.value(node.output(0)).name + "/turned");
    moved.outputs[0] = rows;
    nodes_.push_back(std::move(moved));
    return turn(node, rows, perm);
  }

  // What follows integer sums, on each group by itself: each is then a product with its scale and bias.
  bool take_grouped(const Node& node) {
    if (!node.is("Cast") && !node.is("Mul") && !node.is("Add")) return false;
    const auto group =
        std::find_if(node.inputs.begin(), node.inputs.end(), [&](ValueId id) { return groups_.contains(now(id)); });
    if (group == node.inputs.end()) return false;
    std::vector<ValueId> parts = groups_.at(now(*group));
    const auto place = static_cast<std::size_t>(group - node.inputs.begin());
    const auto count = static_cast<std::int64_t>(parts.size());
    Tensor vector;
    if (node.inputs.size() == 2 && !is_number(node.input(1 - place))) {
      vector = by_channel(node.input(1 - place));
      if (!vector || vector.size() % count != 0) return false;
    }
    Emitter e = emitter(node);
    for (std::int64_t g = 0; g < count; ++g) {
      std::vector<ValueId> inputs = node.inputs;
      for (ValueId& id : inputs) id = now(id);
      ValueId& part = parts[static_cast<std::size_t>(g)];
      inputs[place] = part;
      if (vector) inputs[1 - place] = e.constant(group_part(vector, g, count));
      part = e.emit(node.op, node.version, std::move(inputs), node.attributes);
    }
    return join(node, e, std::move(parts));
  }

  // [batch, heads * dim, length] <-> [batch, heads, dim, length]
  bool take_reshape(const Node& node) {
    const Turned* before = turned(node.input(0));
    const auto& from = probe_.shape(node.input(0));
    const auto& to = probe_.shape(node.output(0));
    if (before == nullptr || !from || !to) return false;
    const Turned inner = *before;
    if (from->size() == 3 && to->size() == 4) {
      const bool splits = inner.perm == kTurn && (*to)[0] == (*from)[0] && (*to)[3] == (*from)[2] &&
                          (*to)[1].is_constant() && (*to)[2].is_constant();
      if (!splits) return false;
      return turn(node, reshape(node, inner.rows, {0, 0, (*to)[1].first, (*to)[2].first}), {0, 2, 3, 1});
    }
    const bool merges = from->size() == 4 && to->size() == 3 && (*to)[0] == (*from)[0] && (*to)[2] == (*from)[3] &&
                        (*to)[1].is_constant();
    if (!merges) return false;
    Axes perm;
    for (const std::size_t axis : {0u, 3u, 1u, 2u}) perm.push_back(inner.perm[axis]);
    const ValueId rows = emitter(node).emit("Transpose", kVersion, {inner.rows}, Emitter::with("perm", perm));
    return turn(node, reshape(node, rows, {0, 0, (*to)[1].first}), kTurn);
  }

  ValueId reshape(const Node& node, ValueId rows, const Axes& dims) {
    const std::string name = graph_.value(node.output(0)).name;
    const ValueId shape =
        graph_.add_constant(name + "/dims", Tensor::of<std::int64_t>({static_cast<std::int64_t>(dims.size())}, dims));
    const ValueId out = graph_.add_value(name + "/rows");
    Node made;
    made.op = "Reshape";
    made.version = kVersion;
    made.name = node.name;
    made.inputs = {rows, shape};
    made.outputs = {out};
    nodes_.push_back(std::move(made));
    return out;
  }

  const Matcher m_;
  const ShapeProbe probe_;
  std::map<ValueId, Turned> turned_;
  std::map<ValueId, std::vector<ValueId>> groups_;  // of a value: its columns, group by group
};

}  // namespace

bool multiply_pointwise_convolutions(Graph& graph) {
  const Matcher m(graph);
  const bool any =
      std::any_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) { return is_pointwise(m, node); });
  if (any) Turning(graph).run();
  return any;
}

}  // namespace sesame::engine
