#include "engine/normal_forms/normal_forms.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "engine/folding.h"

namespace sesame::engine {

namespace {

// Whether two attributes are equal. Tensors by their memory: the same constant, not an equal one.
bool equal(const Attribute& a, const Attribute& b) {
  if (a.index() != b.index()) return false;
  return std::visit(
      [&](const auto& x) {
        using T = std::decay_t<decltype(x)>;
        const auto& y = std::get<T>(b);
        if constexpr (std::is_same_v<T, Tensor>) {
          return x.raw() == y.raw() && x.shape() == y.shape() && x.type() == y.type();
        } else if constexpr (std::is_same_v<T, Subgraph>) {
          return false;
        } else {
          return x == y;
        }
      },
      a);
}

bool same_computation(const Node& a, const Node& b) {
  const auto& x = a.attributes.all();
  const auto& y = b.attributes.all();
  return a.op == b.op && a.domain == b.domain && a.version == b.version && a.inputs == b.inputs && !a.step && !b.step &&
         a.outputs.size() == b.outputs.size() &&
         std::equal(x.begin(), x.end(), y.begin(), y.end(),
                    [](const auto& p, const auto& q) { return p.first == q.first && equal(p.second, q.second); });
}

bool is_random(const Node& node) {
  return node.op.starts_with("Random") || node.is("Multinomial") || node.is("Bernoulli") || node.is("Dropout");
}

// A graph that brings its own quantization rounds what LayerNorm and GELU hand it: a difference in the last bit, which
// is nothing to a float graph, moves a rounding there. So those graphs keep the exporter's own sequence of operators.
bool quantizes_activations(const Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
    return node.is("QuantizeLinear") || node.is("DynamicQuantizeLinear") || node.is("QuantizeLinear", kMicrosoft);
  });
}

// What to read in a value's place: for a small constant the first one that is equal to it, since exporters make one for
// each reader; for others themselves.
std::vector<ValueId> merge_small_constants(const Graph& graph) {
  constexpr std::size_t kSmall = 64;  // bytes
  std::map<std::tuple<DType, Shape, std::string>, ValueId> first;
  std::vector<ValueId> alias(graph.value_count());
  for (std::size_t v = 0; v < alias.size(); ++v) {
    const auto id = static_cast<ValueId>(v);
    const Tensor& t = graph.constant(id);
    alias[v] = id;
    if (!t || t.bytes() > kSmall) continue;
    const std::string bytes(static_cast<const char*>(t.raw()), t.bytes());
    alias[v] = first.try_emplace({t.type(), t.shape(), bytes}, id).first->second;
  }
  return alias;
}

}  // namespace

void merge_common_nodes(Graph& graph) {
  std::vector<ValueId> alias = merge_small_constants(graph);
  std::map<std::pair<std::string, std::vector<ValueId>>, std::vector<std::size_t>> seen;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    Node& node = graph.nodes[n];
    for (ValueId& id : node.inputs) {
      if (id != kNoValue) id = alias[static_cast<std::size_t>(id)];
    }
    if (is_random(node)) continue;
    auto& candidates = seen[{node.op, node.inputs}];
    const auto twin = std::find_if(candidates.begin(), candidates.end(),
                                   [&](std::size_t c) { return same_computation(graph.nodes[c], node); });
    if (twin == candidates.end()) {
      candidates.push_back(n);
      continue;
    }
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      const ValueId theirs = graph.nodes[*twin].outputs[i];
      if (node.outputs[i] != kNoValue && theirs != kNoValue) alias[static_cast<std::size_t>(node.outputs[i])] = theirs;
    }
  }
  // A graph output keeps its own node: its value has the name that the caller asks for.
  remove_dead_nodes(graph);
}

void to_normal_forms(Graph& graph) {
  merge_common_nodes(graph);
  const bool quantizes = quantizes_activations(graph);
  if (quantizes && multiply_pointwise_convolutions(graph)) merge_common_nodes(graph);
  move_bytes(graph);
  form_byte_products(graph);
  form_quantized_linears(graph);
  fold_constants(graph, Folded::all);  // what is left of quantized constants
  const bool widened = widen_halves(graph);
  if (take_fusions_apart(graph) || widened) {
    fold_constants(graph);  // a transposed weight was an attribute of the fused product
    merge_common_nodes(graph);
  }
  if (multiply_einsums(graph)) fold_constants(graph);
  form_layernorms(graph, quantizes ? LayerNormForm::steps : LayerNormForm::fused);
  if (!quantizes) form_gelus(graph);
  if (multiply_pointwise_convolutions(graph)) merge_common_nodes(graph);
  if (part_batched_heads(graph)) merge_common_nodes(graph);
  if (sink_row_reshapes(graph)) fold_constants(graph);
  spread_conditions(graph);
  if (sink_expands(graph)) merge_common_nodes(graph);
  if (quantizes) part_bytes_from_heads(graph);
  form_linears(graph);
  anchor_shapes(graph);
  merge_common_nodes(graph);  // what layers make of their inputs' shapes is the same now
  part_projections(graph);
}

}  // namespace sesame::engine
