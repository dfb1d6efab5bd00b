#include "engine/quantizer/onnx_forms/targets.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "engine/normal_forms/matcher.h"
#include "engine/shape_probe.h"
#include "kernels/pack.h"

namespace sesame::engine {

namespace {

bool is_constant_float(const Graph& graph, ValueId id) {
  const Tensor& t = graph.constant(id);
  return t && t.type() == DType::f32 && t.size() > 0;
}

// By value: whether it is made from learned numbers (a constant float tensor of more than one element) or from an input
// of features, whose last dimension is declared. What is not is a mask, or counts positions.
std::vector<bool> learned_values(const Graph& graph) {
  std::vector<bool> learned(graph.value_count(), false);
  for (ValueId id : graph.inputs) {
    const Value& input = graph.value(id);
    learned[static_cast<std::size_t>(id)] = input.declared_type == DType::f32 && input.declared_shape &&
                                            !input.declared_shape->empty() && input.declared_shape->back() > 0;
  }
  for (std::size_t v = 0; v < learned.size(); ++v) {
    const Tensor& t = graph.constant(static_cast<ValueId>(v));
    if (t && t.type() == DType::f32 && t.size() > 1) learned[v] = true;
  }
  for (const Node& node : graph.nodes) {
    const bool from_learned = std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) {
      return id != kNoValue && learned[static_cast<std::size_t>(id)];
    });
    for (ValueId id : node.outputs) {
      if (id != kNoValue && from_learned) learned[static_cast<std::size_t>(id)] = true;
    }
  }
  return learned;
}

class Finder {
 public:
  Finder(const Graph& graph, const OnnxFormOptions& options, const Ranges* ranges)
      : graph_(graph), options_(options), ranges_(ranges), m_(graph), probe_(graph), learned_(learned_values(graph)) {}

  // Nothing, or why the node stays in floats. An empty reason needs no note: it is no operation on floats.
  std::optional<std::string> refuse(const Node& node, Role& role) const {
    if (node.output(0) == kNoValue) return "";
    if (node.is("Gather")) return set(role, Role::gather, refuse_gather(node));
    if (node.is("MatMul")) return set(role, Role::matmul, refuse_matmul(node));
    if (node.is("Gemm")) return set(role, Role::matmul, refuse_gemm(node));
    if (node.is("Add") || node.is("Mul")) return set(role, Role::binary, refuse_binary(node));
    return "not an operator that is quantized";
  }

 private:
  using Reason = std::optional<std::string>;

  static Reason set(Role& role, Role wanted, Reason reason) {
    if (!reason) role = wanted;
    return reason;
  }

  bool is_static() const { return needs_ranges(options_.form); }

  bool is_float(ValueId id) const {
    return is_constant_float(graph_, id) || (id != kNoValue && probe_.shape(id) && probe_.type(id) == DType::f32);
  }
  bool has_range(ValueId id) const {
    if (ranges_ == nullptr || graph_.is_constant(id)) return true;
    const auto it = ranges_->find(graph_.value(id).name);
    return it != ranges_->end() && std::isfinite(it->second.low) && std::isfinite(it->second.high);
  }
  // Both operands and the result.
  bool all_float(const Node& node) const {
    return is_float(node.input(0)) && is_float(node.input(1)) && is_float(node.outputs[0]);
  }
  bool all_have_ranges(const Node& node) const {
    return has_range(node.input(0)) && has_range(node.input(1)) && has_range(node.outputs[0]);
  }

  Reason refuse_gather(const Node& node) const {
    if (!graph_.is_constant(node.input(0)) || graph_.constant(node.input(0)).type() != DType::f32) return "";
    return is_constant_float(graph_, node.input(0)) ? std::nullopt : Reason("its table is empty");
  }

  Reason refuse_weight(const Node& node) const {
    if (!has_constant_weight(graph_, node)) {
      return is_static() ? std::nullopt : Reason("its right operand is no constant");
    }
    const Tensor& w = graph_.constant(node.input(1));
    const bool transposed = node.is("Gemm") && node.attributes.integer("transB", 0) != 0;
    const std::int64_t k = w.dim(w.rank() - (transposed ? 1 : 2));
    if (k > static_cast<std::int64_t>(kernels::kMaxK)) return "its sums do not fit 32 bits";
    return std::nullopt;
  }

  Reason refuse_matmul(const Node& node) const {
    if (graph_.is_constant(node.input(1)) && !is_constant_float(graph_, node.input(1))) return "";
    if (auto reason = refuse_weight(node)) return reason;
    if (graph_.is_constant(node.input(0))) return "its left operand is a constant";
    if (is_static() && !all_float(node)) return "the type of an operand is not known";
    if (is_static() && !all_have_ranges(node)) return "the range of an operand is not known";
    return std::nullopt;
  }

  Reason refuse_gemm(const Node& node) const {
    if (node.attributes.integer("transA", 0) != 0 || node.attributes.real("alpha", 1) != 1 ||
        node.attributes.real("beta", 1) != 1) {
      return "it scales its operands or transposes the left one";
    }
    if (!has_constant_weight(graph_, node)) return "its right operand is no constant";
    if (is_static() && node.input(2) != kNoValue && !m_.is_vector(node.input(2))) return "its bias is no vector";
    return refuse_matmul(node);
  }

  bool is_learned(const Node& node) const { return learned_[static_cast<std::size_t>(node.outputs[0])]; }

  Reason refuse_binary(const Node& node) const {
    if (node.inputs.size() != 2 || !is_learned(node)) return "";
    if (!is_static()) return "only static forms have it in 8 bits";
    if (!all_float(node)) return "";
    for (ValueId id : node.inputs) {
      const bool is_mask = !learned_[static_cast<std::size_t>(id)] && !graph_.is_constant(id);
      if (node.is("Add") && is_mask) return "it adds a mask";
    }
    const auto& readers = m_.uses().readers(node.outputs[0]);
    if (std::any_of(readers.begin(), readers.end(),
                    [&](int n) { return graph_.nodes[static_cast<std::size_t>(n)].is("Sqrt"); })) {
      return "a root is taken of it";
    }
    if (!all_have_ranges(node)) return "the range of an operand is not known";
    return std::nullopt;
  }

  const Graph& graph_;
  const OnnxFormOptions& options_;
  const Ranges* ranges_;
  const Matcher m_;
  const ShapeProbe probe_;
  const std::vector<bool> learned_;
};

}  // namespace

bool has_constant_weight(const Graph& graph, const Node& node) {
  return is_constant_float(graph, node.input(1)) && graph.constant(node.input(1)).rank() >= 2;
}

std::optional<std::size_t> channel_axis(const Graph& graph, const Node& node) {
  if (!has_constant_weight(graph, node) || graph.constant(node.input(1)).rank() != 2) return std::nullopt;
  return node.is("Gemm") && node.attributes.integer("transB", 0) != 0 ? 0 : 1;
}

Targets find_targets(const Graph& graph, const OnnxFormOptions& options, const Ranges* ranges) {
  const std::vector<bool> selected = select_nodes(graph, options.nodes);
  const Finder finder(graph, options, ranges);
  Targets targets;
  targets.roles.assign(graph.nodes.size(), Role::none);
  std::map<std::pair<std::string, std::string>, int> left;  // (operator, reason) -> nodes
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (!selected[n]) continue;
    const auto reason = finder.refuse(graph.nodes[n], targets.roles[n]);
    if (reason && !reason->empty()) ++left[{graph.nodes[n].op, *reason}];
  }
  for (const auto& [what, count] : left) {
    targets.notes.push_back(std::to_string(count) + " " + what.first + " left in fp32: " + what.second);
  }
  return targets;
}

}  // namespace sesame::engine
