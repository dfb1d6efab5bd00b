#include "engine/quantize_linears.h"

#include <string>
#include <vector>

#include "engine/linear.h"
#include "engine/normal_forms/matcher.h"
#include "kernels/pack.h"

namespace sesame::engine {

namespace {

bool is_sum_of_activations(const Matcher& m, const Node* add) {
  return add != nullptr && add->is("Add") && !m.graph().is_constant(add->input(0)) &&
         !m.graph().is_constant(add->input(1));
}

// A LayerNormalization of a residual sum, or, where norms come elsewhere, the sum of a Linear and what it read.
bool ends_layer(const Matcher& m, const Node& node) {
  if (node.is("LayerNormalization")) return is_sum_of_activations(m, m.uses().producer(node.input(0)));
  if (!is_sum_of_activations(m, &node)) return false;
  return m.made_by(node.input(0), "Linear", kSesame) != nullptr ||
         m.made_by(node.input(1), "Linear", kSesame) != nullptr;
}

// Whether the kernel's sums are exact for so many inputs.
bool fits(const LinearWeights& weights, LinearPrecision precision) {
  return precision != LinearPrecision::int8 || weights.in_features() <= kernels::kMaxK;
}

}  // namespace

int quantize_linears(Graph& graph, LinearPrecision precision) {
  const Matcher m(graph);
  std::vector<bool> leads_on(graph.value_count(), false);  // to the end of a layer
  int marked = 0;
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {
    Node& node = graph.nodes[n];
    bool leads = ends_layer(m, node);
    for (ValueId id : node.outputs) leads = leads || (id != kNoValue && leads_on[static_cast<std::size_t>(id)]);
    if (!leads) continue;
    for (ValueId id : node.inputs) {
      if (id != kNoValue) leads_on[static_cast<std::size_t>(id)] = true;
    }
    if (node.is("Linear", kSesame) && fits(linear_weights(graph, node), precision)) {
      node.attributes.set("precision", std::string(name(precision)));
      ++marked;
    }
  }
  return marked;
}

}  // namespace sesame::engine
