#include "engine/quantizer/schemes.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "engine/linear.h"
#include "engine/quantizer/smooth.h"
#include "kernels/pack.h"
#include "sesame/error.h"

namespace sesame::engine {

namespace {

bool is_marked(const Node& node) {
  return node.is("Linear", kSesame) && node.attributes.text("precision", "fp32") == "int8";
}

// Inputs and outputs choose first: who uses the model knows their names.
void name_values(Graph& graph) {
  std::set<std::string> taken;
  std::set<ValueId> named;
  const auto name = [&](ValueId id) {
    if (!named.insert(id).second) return;
    std::string& text = graph.value(id).name;
    if (!text.empty() && taken.insert(text).second) return;
    text += '#';
    text += std::to_string(id);
    taken.insert(text);
  };
  for (ValueId id : graph.inputs) name(id);
  for (ValueId id : graph.outputs) name(id);
  for (std::size_t v = 0; v < graph.value_count(); ++v) name(static_cast<ValueId>(v));
}

LinearScheme fixed_scheme(LinearScheme scheme, const std::string& input, const std::map<std::string, Range>& ranges) {
  const auto it = ranges.find(input);
  if (it == ranges.end()) throw Error("no range is known of value '" + input + "'");
  const Range range = it->second;
  scheme.row_scale = (range.high - range.low) / 255;
  // All zeros, or too little to divide by: any grid will do.
  if (!(scheme.row_scale >= 0x1p-100f)) scheme.row_scale = 1;
  const float zero = std::nearbyint(-range.low / scheme.row_scale);
  scheme.row_zero_point = static_cast<std::uint8_t>(std::clamp(zero, 0.0f, 255.0f));
  return scheme;
}

}  // namespace

std::vector<LinearGroup> quantized_groups(Graph& graph) {
  name_values(graph);
  std::vector<LinearGroup> groups;
  std::map<ValueId, std::size_t> by_input;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (!is_marked(graph.nodes[n])) continue;
    const ValueId input = graph.nodes[n].input(0);
    const auto [it, is_new] = by_input.emplace(input, groups.size());
    if (is_new) groups.push_back({graph.value(input).name, {}});
    groups[it->second].nodes.push_back(n);
  }
  return groups;
}

void mark_heads(Graph& graph) {
  for (Node& node : graph.nodes) {
    const bool fits = node.is("Linear", kSesame) && linear_weights(graph, node).in_features() <= kernels::kMaxK;
    if (fits) node.attributes.set("precision", std::string("int8"));
  }
}

void set_schemes(Graph& graph, const std::vector<LinearGroup>& groups, const LinearScheme& scheme,
                 const std::map<std::string, Range>& ranges) {
  for (const LinearGroup& group : groups) {
    const LinearScheme chosen = scheme.rows == RowGrid::fixed ? fixed_scheme(scheme, group.input, ranges) : scheme;
    for (std::size_t n : group.nodes) set_linear_scheme(graph.nodes[n], chosen);
  }
}

void restore_floats(Graph& graph, const LinearGroup& group) {
  for (std::size_t n : group.nodes) {
    Node& node = graph.nodes[n];
    const Tensor multiplier = linear_scheme(node).multiplier;
    set_linear_scheme(node, LinearPrecision::fp32);
    if (!multiplier) continue;
    Tensor inverse = multiplier.clone();
    for (std::int64_t k = 0; k < inverse.size(); ++k) inverse.data<float>()[k] = 1 / inverse.data<float>()[k];
    const Tensor weight = smoothed(linear_weights(graph, node), inverse).weight;
    node.inputs[1] = graph.add_constant(graph.value(node.inputs[1]).name, weight);
  }
}

std::string describe(const Graph& graph, const LinearGroup& group) {
  std::string text;
  for (std::size_t n : group.nodes) {
    const Node& node = graph.nodes[n];
    const std::string& name = node.name.empty() ? graph.value(node.output(0)).name : node.name;
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

}  // namespace sesame::engine
