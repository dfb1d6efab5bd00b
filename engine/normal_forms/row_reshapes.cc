#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/normal_forms/emitter.h"
#include "engine/normal_forms/linear.h"
#include "engine/normal_forms/matcher.h"
#include "engine/normal_forms/normal_forms.h"
#include "engine/quantized_node.h"
#include "engine/shape_probe.h"

namespace sesame::engine {

namespace {

constexpr int kVersion = 13;  // of the operators that are emitted

constexpr std::array<std::string_view, 16> kUnary = {"Abs", "Cast",       "Erf",  "Exp",     "Gelu", "Log",
                                                     "Neg", "Reciprocal", "Relu", "Sigmoid", "Sqrt", "Tanh",
                                                     "Not", "Identity",   "Elu",  "Softplus"};
constexpr std::array<std::string_view, 5> kBinary = {"Add", "Sub", "Mul", "Div", "Pow"};

template <std::size_t N>
bool is_one_of(const Node& node, const std::array<std::string_view, N>& ops) {
  return node.domain == kOnnx && std::find(ops.begin(), ops.end(), node.op) != ops.end();
}

// A value that is Reshape(rows, shape) and has the same last axis as `rows`.
struct Reshaped {
  ValueId rows;
  ValueId shape;
  ProbedShape rows_shape;
};

class Sinking {
 public:
  explicit Sinking(Graph& graph) : graph_(graph), m_(graph), probe_(graph), alias_(graph.value_count()) {
    for (std::size_t v = 0; v < alias_.size(); ++v) alias_[v] = static_cast<ValueId>(v);
  }

  bool run() {
    const std::vector<Node> old = graph_.nodes;  // the matcher looks at those
    for (Node node : old) {
      for (ValueId& id : node.inputs) {
        if (id != kNoValue) id = alias_[static_cast<std::size_t>(id)];
      }
      if (node.is("Reshape") ? !take_reshape(node) : !sink(node)) nodes_.push_back(std::move(node));
    }
    if (!changed_) return false;
    graph_.nodes = std::move(nodes_);
    for (ValueId& id : graph_.outputs) id = alias_[static_cast<std::size_t>(id)];
    remove_dead_nodes(graph_);
    return true;
  }

 private:
  // The shape of a value, of those that this pass has made as well.
  std::optional<ProbedShape> shape(ValueId id) const {
    const auto made = made_.find(id);
    return made != made_.end()                            ? made->second
           : static_cast<std::size_t>(id) < alias_.size() ? probe_.shape(id)
                                                          : std::nullopt;
  }

  static bool same_rows(const ProbedShape& a, const ProbedShape& b) {
    return a.size() > 1 && b.size() > 1 && a.back() == b.back() && a.back().is_constant() && a.back().first > 0;
  }

  // Whether a Reshape to `target` means the same whatever the shape of its input.
  bool says_all(ValueId target) const {
    if (static_cast<std::size_t>(target) >= alias_.size()) return false;  // made here
    const Tensor& known = graph_.constant(target) ? graph_.constant(target) : probe_.value(target);
    if (!known || known.type() != DType::i64) return false;
    const std::vector<std::int64_t> dims = to_int64s(known);
    return std::find(dims.begin(), dims.end(), 0) == dims.end();
  }

  // Whether the Reshape folds leading axes of what is no fold itself: that has rows, which would be lost.
  bool folds_rows(const Node& node) const {
    const auto from = shape(node.input(0)), to = shape(node.output(0));
    return !reshaped_.contains(node.input(0)) && from && to && from->size() > to->size();
  }

  // [batch, length, heads, head_dim] that becomes [batch * length, hidden] at once goes through
  // [batch, length, hidden].
  void join_heads_first(Node& node) {
    const auto from = shape(node.input(0)), to = shape(node.output(0));
    if (!from || !to || from->size() != 4 || to->size() != 2 || !says_all(node.input(1))) return;
    const ProbedShape& f = *from;
    const ProbedDim width{f[2].first * f[3].first, f[2].second * f[3].second};
    const bool joins = width.is_constant() && (*to)[1] == width && (*to)[0].first == f[0].first * f[1].first &&
                       (*to)[0].second == f[0].second * f[1].second;
    if (!joins || width.first < 1) return;
    Emitter e(graph_, nodes_, graph_.value(node.output(0)).name);
    node.inputs[0] =
        e.emit("Reshape", kVersion, {node.input(0), e.constant(Tensor::of<std::int64_t>({3}, {0, 0, width.first}))});
    made_[node.input(0)] = {f[0], f[1], width};
    changed_ = true;
  }

  // Merges a Reshape with the one before; records one that keeps the last axis. True when nothing is left of it.
  bool take_reshape(Node& node) {
    if (node.inputs.size() != 2 || node.output(0) == kNoValue || node.attributes.integer("allowzero", 0) != 0)
      return false;
    const auto before = source_.find(node.input(0));
    if (before != source_.end() && says_all(node.input(1)) && !folds_rows(node)) {
      node.inputs[0] = before->second;
      changed_ = true;
    }
    join_heads_first(node);
    const ValueId x = node.input(0), y = node.output(0);
    source_[y] = x;
    const auto from = shape(x), to = shape(y);
    if (!from || !to) return false;
    if (*from == *to && !m_.uses().is_graph_output(y)) {
      alias_[static_cast<std::size_t>(y)] = x;
      changed_ = true;
      return true;
    }
    if (same_rows(*from, *to) && !graph_.is_constant(x)) reshaped_[y] = {x, node.input(1), *from};
    return false;
  }

  // A constant that gives each feature, or all of them, a number of its own.
  bool is_row_constant(ValueId id, std::int64_t features) const {
    const Tensor& t = graph_.constant(id);
    return t && (t.size() == 1 || (t.size() == features && t.shape().back() == features)) && t.rank() <= 1;
  }

  // The Reshape that every operand of a node that works on rows has in common, null if they have none.
  const Reshaped* common_reshape(const Node& node) const {
    const Reshaped* found = nullptr;
    for (ValueId id : node.inputs) {
      const auto it = reshaped_.find(id);
      if (it == reshaped_.end()) continue;
      if (found != nullptr && found->rows_shape != it->second.rows_shape) return nullptr;
      if (found == nullptr) found = &it->second;
    }
    return found;
  }

  bool works_on_rows(const Node& node, const Reshaped& reshaped) const {
    const std::int64_t features = reshaped.rows_shape.back().first;
    const auto is_row = [&](ValueId id) { return reshaped_.contains(id); };
    if (is_one_of(node, kUnary)) return node.inputs.size() == 1;
    if (is_one_of(node, kBinary)) {
      return node.inputs.size() == 2 && std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) {
               return is_row(id) ? reshaped_.at(id).rows_shape == reshaped.rows_shape : is_row_constant(id, features);
             });
    }
    if (node.is("QLinearAdd", kMicrosoft) || node.is("QLinearMul", kMicrosoft)) {
      return is_row_of_bytes(node.input(0), reshaped) && is_row_of_bytes(node.input(3), reshaped);
    }
    if (node.is("Linear", kSesame)) return is_row(node.input(0));
    const bool quantizes = node.is("QuantizedLinear", kSesame) || node.is("DynamicQuantizeLinear") ||
                           is_per_tensor_quantize(graph_, node) || is_per_tensor_dequantize(graph_, node);
    if (quantizes) return is_row(node.input(0));
    if (node.is("MatMul")) {
      const Tensor& w = graph_.constant(node.input(1));
      return node.inputs.size() == 2 && is_row(node.input(0)) && w && w.rank() == 2 && w.size() > 0;
    }
    if (node.is("Gemm")) return node.inputs.size() >= 2 && is_row(node.input(0)) && as_linear(m_, node).has_value();
    const std::int64_t last = static_cast<std::int64_t>(shape(node.input(0)) ? shape(node.input(0))->size() : 0) - 1;
    const std::int64_t axis = node.attributes.integer("axis", -1);
    const bool norm = node.is("LayerNormalization") || node.is("LayerNormalizationSteps", kSesame);
    return norm && node.outputs.size() == 1 && (axis == -1 || axis == last) && is_row(node.input(0)) &&
           graph_.is_constant(node.input(1)) && (node.inputs.size() < 3 || graph_.is_constant(node.input(2)));
  }

  bool is_row_of_bytes(ValueId id, const Reshaped& reshaped) const {
    if (const auto it = reshaped_.find(id); it != reshaped_.end()) return it->second.rows_shape == reshaped.rows_shape;
    return is_row_constant(id, reshaped.rows_shape.back().first);
  }

  // Runs the node on the rows as they were, and reshapes its result.
  bool sink(const Node& node) {
    const Reshaped* common = common_reshape(node);
    const bool one = node.outputs.size() == 1 || node.is("DynamicQuantizeLinear");
    if (common == nullptr || !one || !works_on_rows(node, *common)) return false;
    const Reshaped reshaped = *common;
    const auto result = shape(node.output(0));
    if (!result || result->empty() || !result->back().is_constant() || result->back().first < 1) return false;
    Node moved = node.is("Gemm") ? *as_linear(m_, node) : node;  // Gemm has no rows of rows
    for (ValueId& id : moved.inputs) {
      if (const auto it = reshaped_.find(id); it != reshaped_.end()) id = it->second.rows;
    }
    if (moved.is("LayerNormalization")) moved.attributes.set("axis", std::int64_t{-1});
    const ValueId output = node.output(0);
    Emitter e(graph_, nodes_, graph_.value(output).name);
    const ValueId rows = graph_.add_value(graph_.value(output).name + "/rows");
    moved.outputs[0] = rows;
    nodes_.push_back(std::move(moved));
    ProbedShape rows_shape = reshaped.rows_shape;
    rows_shape.back() = result->back();
    ValueId target = reshaped.shape;
    if (!(result->back() == reshaped.rows_shape.back())) {
      const auto ints = [&](std::int64_t n) { return e.constant(Tensor::of<std::int64_t>({1}, {n})); };
      const ValueId leading = e.emit("Slice", kVersion, {target, ints(0), ints(-1), ints(0)});
      target =
          e.emit("Concat", kVersion, {leading, ints(result->back().first)}, Emitter::with("axis", std::int64_t{0}));
    }
    e.emit_to(output, "Reshape", kVersion, {rows, target});
    made_[rows] = rows_shape;
    source_[output] = rows;
    reshaped_[output] = {rows, target, rows_shape};
    changed_ = true;
    return true;
  }

  Graph& graph_;
  const Matcher m_;
  const ShapeProbe probe_;
  std::vector<ValueId> alias_;
  std::vector<Node> nodes_;
  std::map<ValueId, ValueId> source_;  // of what a Reshape makes
  std::map<ValueId, Reshaped> reshaped_;
  std::map<ValueId, ProbedShape> made_;
  bool changed_ = false;
};

}  // namespace

bool sink_row_reshapes(Graph& graph) { return Sinking(graph).run(); }

}  // namespace sesame::engine
