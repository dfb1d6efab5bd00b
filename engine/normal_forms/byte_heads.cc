// What works on each element alone, whatever its place, is brought to where rows are [batch, length, features]: in
// front of the moves that split them into heads, and behind those that merge them again.
#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "engine/normal_forms/matcher.h"
#include "engine/normal_forms/normal_forms.h"
#include "engine/quantized_node.h"
#include "engine/shape_probe.h"

namespace sesame::engine {

namespace {

bool is_move(const Node& node) { return node.is("Reshape") || node.is("Transpose"); }

class Moving {
 public:
  explicit Moving(Graph& graph) : graph_(graph), m_(graph), probe_(graph) {}

  void run() {
    const std::vector<Node> old = graph_.nodes;  // the matcher looks at the graph's own
    for (const Node& node : old) {
      const auto element = element_operand(node);
      if (element && hoist(node, *element)) continue;
      if (is_move(node) && sink(node)) continue;
      emit(node);
    }
    if (!changed_) return;
    graph_.nodes = std::move(nodes_);
    remove_dead_nodes(graph_);
  }

 private:
  struct Made {
    std::size_t by;    // index of the node
    std::size_t rank;  // 0: unknown
  };

  void emit(Node node, std::optional<std::size_t> rank = std::nullopt) {
    for (ValueId id : node.outputs) {
      if (id == kNoValue) continue;
      const Made made{nodes_.size(), rank.value_or(rank_of(id))};
      made_.insert_or_assign(id, made);
    }
    nodes_.push_back(std::move(node));
  }

  const Node* producer(ValueId id) const {
    const auto it = made_.find(id);
    return it == made_.end() ? nullptr : &nodes_[it->second.by];
  }

  std::size_t rank_of(ValueId id) const {
    const auto it = made_.find(id);
    if (it != made_.end()) return it->second.rank;
    return static_cast<std::size_t>(id) < shapes_ ? probe_.rank(id) : 0;
  }

  // The input that an operation on each element works on: its others are numbers.
  std::optional<std::size_t> element_operand(const Node& node) const {
    if (node.output(0) == kNoValue) return std::nullopt;
    if (is_per_tensor_quantize(graph_, node) || is_per_tensor_dequantize(graph_, node)) return 0;
    if (node.is("DynamicQuantizeLinear")) return 0;
    if (node.is("QLinearAdd", kMicrosoft) || node.is("QLinearMul", kMicrosoft)) {
      const auto is_one = [&](std::size_t i) {
        return graph_.is_constant(node.input(i)) && graph_.constant(node.input(i)).size() == 1;
      };
      if (is_one(0) == is_one(3)) return std::nullopt;
      return is_one(0) ? 3 : 0;
    }
    if (!node.is("Mul") && !node.is("Div") && !node.is("Add") && !node.is("Sub")) return std::nullopt;
    for (std::size_t i : {0u, 1u}) {
      if (node.inputs.size() == 2 && m_.scalar(node.input(1 - i)) && !graph_.is_constant(node.input(i))) return i;
    }
    return std::nullopt;
  }

  // The value that moves alone make `id` of.
  ValueId root(ValueId id) const {
    for (const Node* node = producer(id); node != nullptr && is_move(*node); node = producer(id)) id = node->input(0);
    return id;
  }

  // Whether moves and operations on elements make `id` of a product of activations: heads that no move made of rows.
  bool comes_from_product(ValueId id) const {
    constexpr int kMostNodes = 32;
    const Node* node = producer(id);
    for (int n = 0; node != nullptr && n < kMostNodes; ++n, node = producer(id)) {
      const auto element = element_operand(*node);
      if (!is_move(*node) && !element) break;
      id = node->input(element.value_or(0));
    }
    if (node == nullptr) return false;
    const std::size_t right = node->is("QLinearMatMul") ? 3 : 1;
    const bool product = node->is("MatMul") || node->is("QLinearMatMul") || node->is("MatMulInteger") ||
                         node->is("MatMulIntegerToFloat", kMicrosoft);
    return product && !graph_.is_constant(node->input(0)) && !graph_.is_constant(node->input(right));
  }

  ValueId new_value(ValueId like) { return graph_.add_value(graph_.value(like).name + "/moved"); }

  // moves(x) -> operation becomes operation(x) -> moves.
  bool hoist(const Node& node, std::size_t operand) {
    const ValueId x = node.input(operand), dense = root(x);
    if (x == dense || rank_of(dense) != 3 || comes_from_product(dense) || probe_.follows_from_shapes(node.output(0)))
      return false;
    std::vector<Node> moves;
    for (ValueId id = x; id != dense; id = moves.back().input(0)) moves.push_back(*producer(id));
    std::reverse(moves.begin(), moves.end());
    Node element = node;
    element.inputs[operand] = dense;
    ValueId last = element.outputs[0] = new_value(node.output(0));
    emit(std::move(element), 3);
    for (std::size_t i = 0; i < moves.size(); ++i) {
      const std::size_t rank = rank_of(moves[i].output(0));
      moves[i].inputs[0] = last;
      last = moves[i].outputs[0] = i + 1 == moves.size() ? node.output(0) : new_value(moves[i].output(0));
      emit(std::move(moves[i]), rank);
    }
    return changed_ = true;
  }

  // What this pass makes has one.
  bool has_one_reader(ValueId id) const {
    return static_cast<std::size_t>(id) >= shapes_ || m_.uses().has_one_reader(id);
  }

  // operation(x) -> move becomes move(x) -> operation, where x comes from a product.
  bool sink(const Node& move) {
    const Node* element = producer(move.input(0));
    const auto operand = element == nullptr ? std::nullopt : element_operand(*element);
    if (!operand || element->is("DynamicQuantizeLinear") || !has_one_reader(move.input(0))) return false;
    const ValueId x = element->input(*operand);
    if (!comes_from_product(x) || probe_.follows_from_shapes(move.output(0))) return false;
    const std::size_t rank = rank_of(move.output(0));
    Node after = *element, before = move;
    before.inputs[0] = x;
    before.outputs[0] = after.inputs[*operand] = new_value(move.output(0));
    after.outputs[0] = move.output(0);
    if (!sink(before)) emit(std::move(before), rank);
    emit(std::move(after), rank);
    return changed_ = true;
  }

  Graph& graph_;
  Matcher m_;
  ShapeProbe probe_;
  std::size_t shapes_ = graph_.value_count();  // that the probe knows
  std::vector<Node> nodes_;
  std::map<ValueId, Made> made_;
  bool changed_ = false;
};

}  // namespace

void part_bytes_from_heads(Graph& graph) { Moving(graph).run(); }

}  // namespace sesame::engine
