#include <algorithm>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/normal_forms/emitter.h"
#include "engine/normal_forms/matcher.h"
#include "engine/normal_forms/normal_forms.h"
#include "engine/shape_probe.h"

namespace sesame::engine {

namespace {

constexpr int kVersion = 13;  // of the operators that are emitted

using Labels = std::string;  // one letter an axis

bool has(const Labels& labels, char label) { return labels.find(label) != Labels::npos; }

// "abc,cde->abde", without an ellipsis or a label twice in one term.
struct Equation {
  Labels a, b, out;
};

std::optional<Equation> parse(std::string text) {
  std::erase(text, ' ');
  const std::size_t comma = text.find(','), arrow = text.find("->");
  if (comma == std::string::npos || arrow == std::string::npos || comma > arrow) return std::nullopt;
  Equation e{text.substr(0, comma), text.substr(comma + 1, arrow - comma - 1), text.substr(arrow + 2)};
  for (const Labels* labels : {&e.a, &e.b, &e.out}) {
    for (const char label : *labels) {
      const bool letter = (label >= 'a' && label <= 'z') || (label >= 'A' && label <= 'Z');
      if (!letter || std::count(labels->begin(), labels->end(), label) != 1) return std::nullopt;
    }
  }
  return e;
}

// The labels of an equation by where they are.
struct Roles {
  Labels batch;   // in both operands and the result
  Labels summed;  // in both operands alone
  Labels a, b;    // in one operand and the result
};

std::optional<Roles> roles_of(const Equation& e) {
  Roles roles;
  for (const char label : e.a) {
    if (has(e.b, label)) {
      (has(e.out, label) ? roles.batch : roles.summed) += label;
    } else {
      if (!has(e.out, label)) return std::nullopt;
      roles.a += label;
    }
  }
  for (const char label : e.b) {
    if (has(e.a, label)) continue;
    if (!has(e.out, label)) return std::nullopt;
    roles.b += label;
  }
  const bool covers = roles.batch.size() + roles.a.size() + roles.b.size() == e.out.size();
  return covers && !roles.summed.empty() ? std::optional(roles) : std::nullopt;
}

class Multiplying {
 public:
  explicit Multiplying(Graph& graph) : graph_(graph), m_(graph), probe_(graph) {}

  bool run() {
    const std::vector<Node> old = graph_.nodes;  // the matcher looks at those
    bool changed = false;
    for (std::size_t n = 0; n < old.size(); ++n) {
      if (std::find(taken_.begin(), taken_.end(), n) != taken_.end()) continue;
      const bool replaced = old[n].is("Einsum") && old[n].inputs.size() == 2 && replace(old[n]);
      changed |= replaced;
      if (!replaced) nodes_.push_back(old[n]);
    }
    if (!changed) return false;
    graph_.nodes = std::move(nodes_);
    remove_dead_nodes(graph_);
    return true;
  }

 private:
  bool replace(const Node& node) {
    const auto equation = parse(node.attributes.text("equation", ""));
    const auto roles = equation ? roles_of(*equation) : std::nullopt;
    if (!roles || node.output(0) == kNoValue) return false;
    const bool fits = probe_.rank(node.input(0)) == equation->a.size() && probe_.shape(node.output(0)) &&
                      rank(node.input(1)) == equation->b.size();
    if (!fits || graph_.is_constant(node.input(0))) return false;
    return graph_.is_constant(node.input(1)) ? by_matrix(node, *equation, *roles) : by_batch(node, *equation, *roles);
  }

  std::size_t rank(ValueId id) const { return graph_.is_constant(id) ? graph_.constant(id).rank() : probe_.rank(id); }

  static std::vector<std::int64_t> permutation(const Labels& from, const Labels& to) {
    std::vector<std::int64_t> perm;
    for (const char label : to) perm.push_back(static_cast<std::int64_t>(from.find(label)));
    return perm;
  }

  static ValueId transposed(Emitter& e, ValueId x, const Labels& from, const Labels& to) {
    return from == to ? x : e.emit("Transpose", kVersion, {x}, Emitter::with("perm", permutation(from, to)));
  }

  static void transpose_to(Emitter& e, ValueId output, ValueId x, const Labels& from, const Labels& to) {
    if (from == to) return e.emit_to(output, "Identity", kVersion, {x});
    e.emit_to(output, "Transpose", kVersion, {x}, Emitter::with("perm", permutation(from, to)));
  }

  // Two activations: a product of matrices for each of the labels that both have.
  bool by_batch(const Node& node, const Equation& equation, const Roles& roles) {
    if (roles.batch.empty() || roles.a.size() != 1 || roles.b.size() != 1 || roles.summed.size() != 1) return false;
    // The result's last two axes decide which operand is the left one.
    const bool swaps = equation.out.find(roles.b) < equation.out.find(roles.a);
    const Labels& left = swaps ? equation.b : equation.a;
    const Labels& right = swaps ? equation.a : equation.b;
    const Labels& rows = swaps ? roles.b : roles.a;
    const Labels& columns = swaps ? roles.a : roles.b;
    Emitter e(graph_, nodes_, graph_.value(node.output(0)).name);
    const ValueId x = transposed(e, node.input(swaps ? 1 : 0), left, roles.batch + rows + roles.summed);
    const ValueId y = transposed(e, node.input(swaps ? 0 : 1), right, roles.batch + roles.summed + columns);
    const Labels product = roles.batch + rows + columns;
    if (product == equation.out) {
      e.emit_to(node.output(0), "MatMul", kVersion, {x, y});
    } else {
      transpose_to(e, node.output(0), e.emit("MatMul", kVersion, {x, y}), product, equation.out);
    }
    return true;
  }

  // By a constant: one product by a matrix, with axes joined before and parted after it.
  bool by_matrix(const Node& node, const Equation& equation, const Roles& roles) {
    const Tensor weight = graph_.constant(node.input(1));  // its own: constants are added below
    const bool usable = weight.type() == DType::f32 && weight.size() > 0 && roles.batch.empty() && !roles.a.empty();
    if (!usable || !sizes_agree(node, equation, weight)) return false;
    const auto size = [&](const Labels& labels) {
      std::int64_t n = 1;
      for (const char label : labels) n *= weight.dim(equation.b.find(label));
      return n;
    };
    const Node* bias = bias_of(node, equation, roles, weight);
    const ValueId output = bias ? bias->output(0) : node.output(0);
    Emitter e(graph_, nodes_, graph_.value(output).name);
    const auto ints = [&](std::vector<std::int64_t> values) {
      const auto count = static_cast<std::int64_t>(values.size());
      return e.constant(Tensor::of<std::int64_t>({count}, values));
    };
    const auto beside_rows = [&](std::vector<std::int64_t> dims) {
      dims.insert(dims.begin(), roles.a.size(), 0);  // 0: as the input has it
      return ints(std::move(dims));
    };
    ValueId x = transposed(e, node.input(0), equation.a, roles.a + roles.summed);
    if (roles.summed.size() != 1) x = e.emit("Reshape", kVersion, {x, beside_rows({size(roles.summed)})});
    ValueId w = transposed(e, node.input(1), equation.b, roles.summed + roles.b);
    w = e.emit("Reshape", kVersion, {w, ints({size(roles.summed), size(roles.b)})});
    ValueId y = e.emit("MatMul", kVersion, {x, w});
    if (bias != nullptr) {
      const ValueId addend = Matcher::other_operand(*bias, node.output(0));
      y = e.emit("Add", kVersion, {y, e.emit("Reshape", kVersion, {addend, ints({-1})})});
    }
    if (roles.b.size() != 1) {
      std::vector<std::int64_t> parts;
      for (const char label : roles.b) parts.push_back(weight.dim(equation.b.find(label)));
      y = e.emit("Reshape", kVersion, {y, beside_rows(parts)});
    }
    transpose_to(e, output, y, roles.a + roles.b, equation.out);
    return true;
  }

  // Whether the summed axes are as long in both operands.
  bool sizes_agree(const Node& node, const Equation& equation, const Tensor& weight) const {
    const ProbedShape& shape = *probe_.shape(node.input(0));
    for (std::size_t i = 0; i < equation.b.size(); ++i) {
      const std::size_t at = equation.a.find(equation.b[i]);
      if (at != Labels::npos && !shape[at].is(weight.dim(i))) return false;
    }
    return true;
  }

  // The Add of a constant with an element for each of the product's features, taken along.
  const Node* bias_of(const Node& node, const Equation& equation, const Roles& roles, const Tensor& weight) {
    if (equation.out != roles.a + roles.b || !m_.uses().has_one_reader(node.output(0))) return nullptr;
    const auto reader = static_cast<std::size_t>(m_.uses().readers(node.output(0))[0]);
    const Node& add = m_.graph().nodes[reader];
    const ValueId addend = add.is("Add") ? Matcher::other_operand(add, node.output(0)) : kNoValue;
    const Tensor& bias = graph_.constant(addend);
    if (!bias || bias.type() != DType::f32 || bias.rank() != roles.b.size() || add.output(0) == kNoValue)
      return nullptr;
    for (std::size_t i = 0; i < bias.rank(); ++i) {
      if (bias.dim(i) != weight.dim(equation.b.find(roles.b[i]))) return nullptr;
    }
    taken_.push_back(reader);
    return &add;
  }

  Graph& graph_;
  const Matcher m_;
  const ShapeProbe probe_;
  std::vector<Node> nodes_;
  std::vector<std::size_t> taken_;  // Adds that went into a product
};

}  // namespace

bool multiply_einsums(Graph& graph) { return Multiplying(graph).run(); }

}  // namespace sesame::engine
