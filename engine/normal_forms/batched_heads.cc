#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/normal_forms/emitter.h"
#include "engine/normal_forms/linear.h"
#include "engine/normal_forms/matcher.h"
#include "engine/normal_forms/normal_forms.h"
#include "engine/normal_forms/rewriter.h"
#include "engine/shape_probe.h"

namespace sesame::engine {

namespace {

constexpr int kVersion = 13;  // of the operators that are emitted

using Axes = std::vector<std::int64_t>;
const Axes kBatchSecond = {1, 0, 2};

constexpr std::array<std::string_view, 15> kElementwise = {
    "Add", "Cast", "Div", "Elu", "Erf", "Exp", "Gelu", "Mul", "Neg", "Not", "Pow", "Relu", "Sigmoid", "Sub", "Tanh"};

ProbedDim times(const ProbedDim& a, const ProbedDim& b) { return {a.first * b.first, a.second * b.second}; }

bool is_elementwise(const Node& node) {
  return node.domain == kOnnx && std::find(kElementwise.begin(), kElementwise.end(), node.op) != kElementwise.end();
}

// [a, b, x, y] and [a * b, x, y].
bool merges_first(const ProbedShape& four, const ProbedShape& three) {
  return four.size() == 4 && three.size() == 3 && three[0] == times(four[0], four[1]) && three[1] == four[2] &&
         three[2] == four[3];
}

class Parting : Rewriter {
 public:
  explicit Parting(Graph& graph) : Rewriter(graph), m_(graph), probe_(graph) {}

  bool run() {
    rewrite([this](const Node& node) { return take(node); });
    return changed_;
  }

 private:
  using Values = std::map<ValueId, ValueId>;

  static ValueId find(const Values& values, ValueId id) {
    const auto it = values.find(id);
    return it == values.end() ? kNoValue : it->second;
  }

  bool take(const Node& node) {
    if (node.output(0) == kNoValue || node.inputs.empty() || node.input(0) == kNoValue) return false;
    if (node.is("Transpose")) return take_transpose(node);
    if (node.is("Reshape")) return take_reshape(node);
    return take_on(turned_, node) || take_on(folded_, node) || take_merged(node);
  }

  ValueId ints(Emitter& e, Axes values) {
    return e.constant(Tensor::of<std::int64_t>({static_cast<std::int64_t>(values.size())}, values));
  }

  // The node's output is `id`, from now on and wherever it is read.
  bool becomes(const Node& node, ValueId id) {
    if (m_.uses().is_graph_output(node.output(0))) {
      emitter(node).emit_to(node.output(0), "Identity", kVersion, {id});
    } else {
      alias_[node.output(0)] = id;
    }
    return changed_ = true;
  }

  // The node's output is Transpose(rows), batch second.
  bool turn(const Node& node, ValueId output, ValueId rows) {
    emitter(node).emit_to(output, "Transpose", kVersion, {rows}, Emitter::with("perm", kBatchSecond));
    turned_[output] = rows;
    return true;
  }

  bool take_transpose(const Node& node) {
    const auto perm = node.attributes.maybe_integers("perm");
    const ValueId x = node.input(0), y = node.output(0);
    if (!perm) return false;
    if (*perm == kBatchSecond) {
      if (const ValueId rows = find(turned_, x); rows != kNoValue) return becomes(node, rows);
      if (const ValueId four = find(merged_, x); four != kNoValue) {
        contexts_[y] = four;
      } else if (const ValueId apart = find(heads_, x); apart != kNoValue) {
        merged_[y] = apart;
      } else if (!graph_.is_constant(x)) {
        turned_[y] = now(x);
      }
      return false;
    }
    if (const ValueId four = find(heads_, x); four != kNoValue && *perm == Axes{1, 2, 0}) {
      merge(y, emitter(node).emit("Transpose", kVersion, {four}, Emitter::with("perm", Axes{0, 1, 3, 2})),
            *shape_of(four));
      return false;
    }
    if (*perm == Axes{2, 0, 1, 3}) contexts_[y] = now(x);
    const ValueId four = find(merged_, x);
    if (four == kNoValue || *perm != Axes{0, 2, 1}) return false;
    merge(y, emitter(node).emit("Transpose", kVersion, {four}, Emitter::with("perm", Axes{0, 1, 3, 2})),
          *shape_of(four));
    return false;
  }

  bool take_reshape(const Node& node) {
    const ValueId x = node.input(0), y = node.output(0);
    const auto &from = probe_.shape(x), &to = probe_.shape(y);
    if (!from || !to || graph_.is_constant(x)) return false;
    if (merges_first(*from, *to) && !find_any(x)) {
      merged_[y] = now(x);
      fours_[now(x)] = *from;
      return false;
    }
    if (const ValueId four = find(merged_, x); four != kNoValue) {
      return shape_of(four) == to ? becomes(node, four) : false;
    }
    if (const ValueId rows = find(turned_, x); rows != kNoValue) return split_heads(node, rows, *from, *to);
    if (const ValueId four = find(contexts_, x); four != kNoValue) return join_heads(node, four, *from, *to);
    if (const ValueId rows = find(folded_, x); rows != kNoValue) return unfold(node, rows, *to);
    return false;
  }

  bool find_any(ValueId id) const { return turned_.contains(id) || contexts_.contains(id) || folded_.contains(id); }

  // [length, batch, hidden] as [length, batch * heads, dim].
  bool split_heads(const Node& node, ValueId rows, const ProbedShape& from, const ProbedShape& to) {
    const bool splits = from.size() == 3 && to.size() == 3 && to[0] == from[0] && to[2].is_constant() &&
                        to[2].first > 0 && from[2].is_constant() && from[2].first % to[2].first == 0;
    if (!splits) return false;
    const std::int64_t heads = from[2].first / to[2].first;
    if (heads < 1 || !(to[1] == times(from[1], {heads, heads}))) return false;
    Emitter e = emitter(node);
    const ValueId parts = e.emit("Reshape", kVersion, {rows, ints(e, {0, 0, heads, to[2].first})});
    const ValueId four = e.emit("Transpose", kVersion, {parts}, Emitter::with("perm", Axes{0, 2, 1, 3}));
    fours_[four] = {from[1], {heads, heads}, from[0], to[2]};
    heads_[node.output(0)] = four;
    changed_ = true;
    return false;  // what has other uses for it finds it as it was
  }

  // Heads of [length, batch * heads, dim] or [length, batch, heads, dim] side by side, as [length, batch, hidden] or
  // [length * batch, hidden].
  bool join_heads(const Node& node, ValueId four, const ProbedShape& from, const ProbedShape& to) {
    const auto shape = shape_of(four);
    if (!shape || !(*shape)[1].is_constant() || !(*shape)[3].is_constant()) return false;
    const auto& [batch, heads, length, dim] = std::tie((*shape)[0], (*shape)[1], (*shape)[2], (*shape)[3]);
    const ProbedDim hidden = times(heads, dim);
    const bool three = to == ProbedShape{length, batch, hidden};
    if (from[0] != length || (!three && to != ProbedShape{times(length, batch), hidden})) return false;
    Emitter e = emitter(node);
    const ValueId parts = e.emit("Transpose", kVersion, {four}, Emitter::with("perm", Axes{0, 2, 1, 3}));
    const ValueId rows = e.emit("Reshape", kVersion, {parts, ints(e, {0, 0, hidden.first})});
    changed_ = true;
    if (three) return turn(node, node.output(0), rows);
    folded_[node.output(0)] = rows;
    leading_[node.output(0)] = {length, batch};
    return false;
  }

  bool unfold(const Node& node, ValueId rows, const ProbedShape& to) {
    const ProbedShape& leading = leading_.at(node.input(0));
    const auto& from = probe_.shape(node.input(0));
    if (to != ProbedShape{leading[0], leading[1], from->back()}) return false;
    return turn(node, node.output(0), rows);
  }

  std::optional<ProbedShape> shape_of(ValueId four) const {
    const auto it = fours_.find(four);
    if (it != fours_.end()) return it->second;
    const auto& shape = static_cast<std::size_t>(four) < known_ ? probe_.shape(four) : std::nullopt;
    return shape && shape->size() == 4 ? shape : std::nullopt;
  }

  // A constant of one number, or of one for each feature.
  bool is_row_constant(ValueId id) const {
    const Tensor& t = graph_.constant(id);
    return t && t.rank() <= 1;
  }

  bool over_last_axis(std::int64_t axis, ValueId x) const {
    return axis == -1 || axis + 1 == static_cast<std::int64_t>(probe_.rank(x));
  }

  // Whether the node makes each row from the row of `rows` alone.
  bool works_on_rows(const Values& rows, const Node& node) const {
    const ValueId x = node.input(0);
    if (node.is("Split")) return rows.contains(x) && over_last_axis(node.attributes.integer("axis", 0), x);
    if (node.outputs.size() != 1) return false;
    if (node.is("MatMul")) return graph_.constant(node.input(1)) && graph_.constant(node.input(1)).rank() == 2;
    if (is_elementwise(node)) {
      return std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) {
        return rows.contains(id) ? probe_.shape(id) && probe_.shape(id) == probe_.shape(node.output(0))
                                 : is_row_constant(id);
      });
    }
    if (!rows.contains(x)) return false;
    if (node.is("Linear", kSesame)) return true;
    if (node.is("Gemm")) return as_linear(m_, node).has_value();
    if (node.is("LayerNormalization") || node.is("LayerNormalizationSteps", kSesame)) {
      return over_last_axis(node.attributes.integer("axis", -1), x) && is_row_constant(node.input(1)) &&
             (node.input(2) == kNoValue || is_row_constant(node.input(2)));
    }
    if (node.is("Slice")) {
      const Tensor& axes = graph_.constant(node.input(3));
      return axes && axes.size() == 1 && probe_.rank(x) == 3 && over_last_axis(to_int64s(axes)[0], x);
    }
    return false;
  }

  // Runs a node that works on rows on those before their Transpose, or their Transpose and fold.
  bool take_on(const Values& rows, const Node& node) {
    const auto first =
        std::find_if(node.inputs.begin(), node.inputs.end(), [&](ValueId i) { return rows.contains(i); });
    if (first == node.inputs.end() || !works_on_rows(rows, node)) return false;
    const bool folded = &rows == &folded_;
    if (folded && node.outputs.size() != 1) return false;
    const ValueId source = *first;
    Node moved = node.is("Gemm") ? *as_linear(m_, node) : node;
    for (ValueId& id : moved.inputs) id = rows.contains(id) ? rows.at(id) : now(id);
    if (moved.is("LayerNormalization") || moved.is("Split")) moved.attributes.set("axis", std::int64_t{-1});
    for (ValueId& id : moved.outputs) {
      if (id != kNoValue) id = graph_.add_value(graph_.value(id).name + "/rows");
    }
    const std::vector<ValueId> made = moved.outputs;
    if (folded) keep(node);  // for what reads it as it was
    nodes_.push_back(std::move(moved));
    changed_ = true;
    for (std::size_t i = 0; i < made.size(); ++i) {
      if (made[i] == kNoValue) continue;
      if (!folded) {
        turn(node, node.outputs[i], made[i]);
        continue;
      }
      folded_[node.outputs[i]] = made[i];
      leading_[node.outputs[i]] = leading_.at(source);
    }
    return true;
  }

  // What a twin of a node on four axes reads in place of `id`: its heads apart, or itself when all heads share it, or
  // what it is filled with; else kNoValue.
  ValueId apart(Emitter& e, ValueId id) const {
    if (const ValueId four = find(merged_, id); four != kNoValue) return four;
    const Tensor& t = graph_.constant(id);
    if (t) return t.rank() < 3 || (t.rank() == 3 && t.dim(0) == 1) ? id : kNoValue;
    const Node* filled = m_.made_by(id, "ConstantOfShape");
    const auto& shape = probe_.shape(id);
    if (shape && (shape->size() < 3 || (*shape)[0].is(1))) return shape->size() <= 3 ? now(id) : kNoValue;
    if (filled == nullptr) return kNoValue;
    return e.constant(filled->attributes.has("value") ? filled->attributes.tensor("value")
                                                      : Tensor::of<float>({1}, {0.0f}));
  }

  bool works_on_heads(const Node& node) const {
    if (node.domain != kOnnx || node.outputs.size() != 1 || probe_.rank(node.output(0)) != 3) return false;
    if (node.is("MatMul")) return merged_.contains(node.input(0)) && merged_.contains(node.input(1));
    if (node.is("Softmax"))
      return over_last_axis(node.attributes.integer("axis", node.version < 13 ? 1 : -1), node.input(0));
    return node.is("Where") || node.is("IsNaN") || is_elementwise(node);
  }

  // A node on heads that are merged with the batch gets a twin on [batch, heads, ..]; it stays for what else reads it.
  bool take_merged(const Node& node) {
    if (!works_on_heads(node)) return false;
    Node twin = node;
    Emitter e = emitter(node);
    std::optional<ProbedShape> shape;
    for (ValueId& id : twin.inputs) {
      id = apart(e, id);
      if (id == kNoValue) return false;
      const auto own = fours_.contains(id) ? shape_of(id) : std::nullopt;
      if (own && shape && ((*own)[0] != (*shape)[0] || (*own)[1] != (*shape)[1])) return false;
      if (own) shape = own;
    }
    if (!shape) return false;
    if (twin.is("Softmax")) {
      twin.version = kVersion;
      twin.attributes.set("axis", std::int64_t{-1});
    }
    twin.outputs = {graph_.add_value(graph_.value(node.output(0)).name + "/heads")};
    const ValueId four = twin.output(0);
    nodes_.push_back(std::move(twin));
    merge(node.output(0), four, *shape);
    return false;
  }

  void merge(ValueId three, ValueId four, const ProbedShape& like) {
    const auto& shape = *probe_.shape(three);
    fours_[four] = {like[0], like[1], shape[1], shape[2]};
    merged_[three] = four;
    changed_ = true;
  }

  const Matcher m_;
  const ShapeProbe probe_;
  const std::size_t known_ = graph_.value_count();  // to the probe
  Values turned_;                                   // what Transpose put the batch second of: [batch, length, hidden]
  Values heads_;                                    // [length, batch * heads, dim], as [batch, heads, length, dim]
  Values merged_;                                   // [batch * heads, x, y], as [batch, heads, x, y]
  Values contexts_;                                 // [length, batch * heads, dim] or with those apart, likewise
  Values folded_;                                   // [length * batch, hidden], as [batch, length, hidden]
  std::map<ValueId, ProbedShape> leading_;          // length and batch of those
  std::map<ValueId, ProbedShape> fours_;            // shapes of what has heads apart
  bool changed_ = false;
};

}  // namespace

bool part_batched_heads(Graph& graph) {
  const bool any = std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
    return node.is("Transpose") && node.attributes.maybe_integers("perm") == kBatchSecond;
  });
  if (!any) return false;
  form_linears(graph);
  const bool parted = part_projections(graph);  // newer ones make queries, keys and values on axes of their own
  return Parting(graph).run() || parted;
}

}  // namespace sesame::engine
