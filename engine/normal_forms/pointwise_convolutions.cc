#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/normal_forms/emitter.h"
#include "engine/normal_forms/matcher.h"
#include "engine/normal_forms/normal_forms.h"
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

// Over one axis, with a kernel of one position: a product by a matrix.
bool is_pointwise(const Graph& graph, const Node& node) {
  const Tensor& w = graph.constant(node.input(1));
  const Tensor& bias = graph.constant(node.input(2));
  return node.is("Conv") && node.output(0) != kNoValue && w && w.type() == DType::f32 && w.rank() == 3 &&
         w.dim(2) == 1 && w.size() > 0 && all_are(node.attributes.maybe_integers("strides"), 1) &&
         all_are(node.attributes.maybe_integers("pads"), 0) && node.attributes.integer("group", 1) > 0 &&
         w.dim(0) % node.attributes.integer("group", 1) == 0 &&
         (node.input(2) == kNoValue || (bias && bias.type() == DType::f32 && bias.size() == w.dim(0)));
}

// A value that is Transpose(rows, perm).
struct Turned {
  ValueId rows;
  Axes perm;
};

class Turning {
 public:
  explicit Turning(Graph& graph) : graph_(graph), m_(graph), probe_(graph) {}

  void run() {
    const std::vector<Node> old = graph_.nodes;  // the matcher looks at those
    for (const Node& node : old) {
      if (!take(node)) keep(node);
    }
    graph_.nodes = std::move(nodes_);
    for (ValueId& id : graph_.outputs) id = now(id);
    remove_dead_nodes(graph_);
  }

 private:
  ValueId now(ValueId id) const {
    const auto it = alias_.find(id);
    return it == alias_.end() ? id : it->second;
  }

  void keep(Node node) {
    for (ValueId& id : node.inputs) id = now(id);
    nodes_.push_back(std::move(node));
  }

  bool take(const Node& node) {
    if (node.outputs.size() != 1 || node.output(0) == kNoValue) return false;
    if (node.is("Transpose")) return take_transpose(node);
    if (is_pointwise(graph_, node)) return take_convolution(node);
    if (node.is("Reshape")) return take_reshape(node);
    return (is_one_of(node, kUnary) || is_one_of(node, kBinary)) && take_elementwise(node);
  }

  const Turned* turned(ValueId id) const {
    const auto it = turned_.find(now(id));
    return it == turned_.end() ? nullptr : &it->second;
  }

  Emitter emitter(const Node& node) { return Emitter(graph_, nodes_, graph_.value(node.output(0)).name); }

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
  Tensor group_weight(const Tensor& w, std::int64_t group, std::int64_t groups) const {
    const std::int64_t out = w.dim(0) / groups, in = w.dim(1);
    const Tensor matrix = Tensor::allocate(DType::f32, {in, out});
    for (std::int64_t n = 0; n < out; ++n) {
      for (std::int64_t k = 0; k < in; ++k) {
        matrix.data<float>()[k * out + n] = w.data<float>()[(group * out + n) * in + k];
      }
    }
    return matrix;
  }

  bool take_convolution(const Node& node) {
    const Tensor w = graph_.constant(node.input(1)), bias = graph_.constant(node.input(2));
    const std::int64_t groups = node.attributes.integer("group", 1), out = w.dim(0) / groups;
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
      part = e.emit("MatMul", kVersion, {part, e.constant(group_weight(w, g, groups))});
      if (!bias) continue;
      const Tensor own = Tensor::allocate(DType::f32, {out});
      std::copy_n(bias.data<float>() + g * out, out, own.data<float>());
      part = e.emit("Add", kVersion, {part, e.constant(own)});
    }
    const ValueId all =
        groups == 1 ? parts[0] : e.emit("Concat", kVersion, parts, Emitter::with("axis", std::int64_t{2}));
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

  bool take_elementwise(const Node& node) {
    const Turned* first = nullptr;
    const std::optional<ProbedShape>* shape = nullptr;
    Node moved = node;
    for (ValueId& id : moved.inputs) {
      if (id == kNoValue) return false;
      const Turned* t = turned(id);
      if (t == nullptr) {
        if (!m_.scalar(id)) return false;
        continue;
      }
      if (first != nullptr && (t->perm != first->perm || probe_.shape(id) != *shape)) return false;
      first = t;
      shape = &probe_.shape(id);
      id = t->rows;
    }
    if (first == nullptr || !*shape) return false;
    const Axes perm = first->perm;
    const ValueId rows = graph_.add_value(graph_.value(node.output(0)).name + "/turned");
    moved.outputs = {rows};
    nodes_.push_back(std::move(moved));
    return turn(node, rows, perm);
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

  Graph& graph_;
  const Matcher m_;
  const ShapeProbe probe_;
  std::vector<Node> nodes_;
  std::map<ValueId, Turned> turned_;
  std::map<ValueId, ValueId> alias_;
};

}  // namespace

bool multiply_pointwise_convolutions(Graph& graph) {
  const bool any =
      std::any_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) { return is_pointwise(graph, node); });
  if (any) Turning(graph).run();
  return any;
}

}  // namespace sesame::engine
