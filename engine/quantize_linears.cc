#include "engine/quantize_linears.h"

#include <string>
#include <vector>

#include "engine/linear.h"
#include "engine/normal_forms/matcher.h"
#include "kernels/pack.h"

namespace sesame::engine {

namespace {

bool normalizes_residual(const Matcher& m, const Node& node) {
  if (!node.is("LayerNormalization")) return false;
  const Node* add = m.made_by(node.input(0), "Add");
  return add != nullptr && !m.graph().is_constant(add->input(0)) && !m.graph().is_constant(add->input(1));
}

// Whether the kernel's sums are exact for so many inputs.
bool fits(const LinearWeights& weights, LinearPrecision precision) {
  return precision != LinearPrecision::int8 || weights.in_features() <= kernels::kMaxK;
}

}  // namespace

int quantize_linears(Graph& graph, LinearPrecision precision) {
  const Matcher m(graph);
  std::vector<bool> leads_on(graph.value_count(), false);  // to a residual LayerNormalization
  int marked = 0;
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {
    Node& node = graph.nodes[n];
    bool leads = normalizes_residual(m, node);
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
