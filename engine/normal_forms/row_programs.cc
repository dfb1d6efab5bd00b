#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "engine/normal_forms/matcher.h"
#include "engine/normal_forms/normal_forms.h"
#include "engine/operators/quantization.h"
#include "engine/shape_probe.h"
#include "engine/steps/row_program.h"

namespace sesame::engine {

namespace {

using From = RowProgram::Source::From;
using Instruction = RowProgram::Instruction;
using Kind = RowProgram::Kind;

constexpr std::size_t kMostNodes = 24;

std::optional<kernels::Combination> combination_of(const Node& node) {
  if (node.is("Add")) return kernels::Combination::add;
  if (node.is("Sub")) return kernels::Combination::subtract;
  if (node.is("Mul")) return kernels::Combination::multiply;
  if (node.is("Div")) return kernels::Combination::divide;
  return std::nullopt;
}

bool is_number(const Tensor& t, std::size_t rank) {
  return t && t.type() == DType::f32 && t.size() == 1 && t.rank() <= rank;
}

class Fuser {
 public:
  explicit Fuser(Graph& graph) : graph_(graph), m_(graph), probe_(graph), region_(graph.nodes.size(), -1) {}

  void run() {
    for (std::size_t n = graph_.nodes.size(); n-- > 0;) {
      if (region_[n] < 0 && is_fusible(graph_.nodes[n])) grow(n);
    }
    for (auto& [n, node] : rewrites_) graph_.nodes[n] = std::move(node);
    remove_dead_nodes(graph_);
  }

 private:
  const std::optional<ProbedShape>& shape(ValueId id) const { return probe_.shape(id); }
  bool is_float(ValueId id) const { return shape(id) && probe_.type(id) == DType::f32; }
  bool is_bytes(ValueId id) const {
    return shape(id) && (probe_.type(id) == DType::u8 || probe_.type(id) == DType::i8);
  }

  // The constant scale and zero point, per tensor, of a Quantize or Dequantize.
  bool has_parameters(const Node& node) const {
    const bool zero = node.input(2) == kNoValue || graph_.is_constant(node.input(2));
    return is_number(graph_.constant(node.input(1)), 1) && zero && node.attributes.integer("block_size", 0) == 0 &&
           *graph_.constant(node.input(1)).data<float>() >= 0;
  }

  bool is_layernorm(const Node& node) const {
    if (!node.is("LayerNormalization") && !node.is("LayerNormalizationSteps", kSesame)) return false;
    const auto& x = shape(node.input(0));
    if (!x || x->empty() || !x->back().is_constant() || node.outputs.size() != 1) return false;
    const std::int64_t axis = node.attributes.integer("axis", -1);
    return (axis == -1 || axis + 1 == static_cast<std::int64_t>(x->size())) &&
           m_.is_vector(node.input(1), x->back().first) && m_.is_vector(node.input(2), x->back().first);
  }

  // Whether the node can be an instruction, by itself.
  bool is_fusible(const Node& node) const {
    const ValueId y = node.output(0);
    if (node.step || y == kNoValue || node.outputs.size() != 1 || !shape(y)) return false;
    if (probe_.follows_from_shapes(y)) return false;
    if (node.is("QuantizeLinear")) return is_bytes(y) && is_float(node.input(0)) && has_parameters(node);
    if (!is_float(y)) return false;
    if (node.is("DequantizeLinear")) return is_bytes(node.input(0)) && has_parameters(node);
    if (is_layernorm(node)) return is_float(node.input(0));
    if (node.is("Erf") || node.is("Tanh")) return is_float(node.input(0));
    if (node.is("Pow")) return is_float(node.input(0)) && is_power(node);
    if (!combination_of(node) || node.inputs.size() != 2) return false;
    return has_shape_or_constant(node.input(0), y) && has_shape_or_constant(node.input(1), y) &&
           !(graph_.is_constant(node.input(0)) && graph_.is_constant(node.input(1)));
  }

  bool is_power(const Node& node) const {
    const Tensor& exponent = graph_.constant(node.input(1));
    return is_number(exponent, shape(node.input(0))->size()) &&
           (*exponent.data<float>() == 2 || *exponent.data<float>() == 3);
  }

  bool has_shape_or_constant(ValueId id, ValueId y) const {
    const ProbedShape& to = *shape(y);
    const Tensor& t = graph_.constant(id);
    if (t)
      return is_number(t, to.size()) || (!to.empty() && to.back().is_constant() && m_.is_vector(id, to.back().first));
    return is_float(id) && broadcasts(*shape(id), to);
  }

  // To more rows of the same length.
  static bool broadcasts(const ProbedShape& from, const ProbedShape& to) {
    if (from == to) return true;
    if (from.empty() || from.size() > to.size() || from.back() != to.back()) return false;
    for (std::size_t i = 0; i < from.size(); ++i) {
      const ProbedDim& own = from[from.size() - 1 - i];
      if (own != to[to.size() - 1 - i] && !own.is(1)) return false;
    }
    return true;
  }

  // The root, and what only leads to it, backwards. A Quantize can only be the root.
  void grow(std::size_t root) {
    const int id = static_cast<int>(root);
    std::vector<std::size_t> members = {root};
    region_[root] = id;
    for (bool grown = true; grown && members.size() < kMostNodes;) {
      grown = false;
      for (std::size_t i = 0; i < members.size() && members.size() < kMostNodes; ++i) {
        for (ValueId input : graph_.nodes[members[i]].inputs) {
          const int p = m_.uses().producer_index(input);
          if (p < 0 || !joins(static_cast<std::size_t>(p), id, *shape(graph_.nodes[root].output(0)))) continue;
          region_[static_cast<std::size_t>(p)] = id;
          members.push_back(static_cast<std::size_t>(p));
          grown = true;
        }
      }
    }
    std::sort(members.begin(), members.end());
    if (members.size() > 1 || graph_.nodes[root].is("LayerNormalizationSteps", kSesame)) replace(root, members);
  }

  bool joins(std::size_t n, int id, const ProbedShape& to) const {
    const Node& node = graph_.nodes[n];
    if (region_[n] >= 0 || !is_fusible(node) || node.is("QuantizeLinear")) return false;
    const ValueId y = node.output(0);
    if (m_.uses().is_graph_output(y) || *shape(y) != to) return false;
    const auto& readers = m_.uses().readers(y);
    return std::all_of(readers.begin(), readers.end(),
                       [&](int r) { return region_[static_cast<std::size_t>(r)] == id; });
  }

  void replace(std::size_t root, const std::vector<std::size_t>& members) {
    RowProgram program;
    inputs_.clear();
    results_.clear();
    for (std::size_t n : members) {
      append(graph_.nodes[n], program);
      results_[graph_.nodes[n].output(0)] = program.instructions.size() - 1;
    }
    Node node;
    node.op = "Rows";
    node.domain = kSesame;
    node.name = graph_.nodes[root].name;
    node.inputs = inputs_;
    node.outputs = graph_.nodes[root].outputs;
    node.step = make_row_program_step(std::move(program));
    rewrites_.emplace_back(root, std::move(node));
  }

  RowProgram::Source source(ValueId id) {
    if (const Tensor& t = graph_.constant(id)) return {t.size() == 1 ? From::number : From::vector, 0, t};
    if (const auto it = results_.find(id); it != results_.end()) return {From::result, it->second, {}};
    auto at = std::find(inputs_.begin(), inputs_.end(), id);
    if (at == inputs_.end()) at = inputs_.insert(inputs_.end(), id);
    return {From::input, static_cast<std::size_t>(at - inputs_.begin()), {}};
  }

  void append(const Node& node, RowProgram& program) {
    Instruction in{Kind::combine, source(node.input(0)), {}, {}, {}, {}, 0, {}};
    if (const auto combination = combination_of(node)) {
      in.combination = *combination;
      in.b = source(node.input(1));
    } else if (node.is("Pow")) {
      return append_power(in, *graph_.constant(node.input(1)).data<float>() == 3, program);
    } else if (node.is("Erf") || node.is("Tanh")) {
      in.kind = node.is("Erf") ? Kind::erf : Kind::tanh;
    } else if (node.is("QuantizeLinear") || node.is("DequantizeLinear")) {
      in.kind = node.is("QuantizeLinear") ? Kind::quantize : Kind::dequantize;
      in.parameter = *graph_.constant(node.input(1)).data<float>();
      in.range = byte_range(probe_.type(in.kind == Kind::quantize ? node.output(0) : node.input(0)),
                            graph_.constant(node.input(2)));
    } else {
      in.kind = node.is("LayerNormalization") ? Kind::layernorm : Kind::layernorm_steps;
      in.gamma = graph_.constant(node.input(1));
      in.beta = graph_.constant(node.input(2));
      in.parameter = node.attributes.real("epsilon", 1e-5f);
    }
    program.instructions.push_back(std::move(in));
  }

  // x * x, or (x * x) * x.
  static void append_power(Instruction in, bool cube, RowProgram& program) {
    in.combination = kernels::Combination::multiply;
    in.b = in.a;
    const RowProgram::Source x = in.a;
    program.instructions.push_back(in);
    if (!cube) return;
    in.a = {From::result, program.instructions.size() - 1, {}};
    in.b = x;
    program.instructions.push_back(in);
  }

  Graph& graph_;
  Matcher m_;
  ShapeProbe probe_;
  std::vector<int> region_;  // by node: the root that it leads to, -1 for none
  std::vector<ValueId> inputs_;
  std::map<ValueId, std::size_t> results_;
  std::vector<std::pair<std::size_t, Node>> rewrites_;
};

}  // namespace

void fuse_rows(Graph& graph) { Fuser(graph).run(); }

}  // namespace sesame::engine
