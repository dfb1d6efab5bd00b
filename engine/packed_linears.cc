#include "engine/packed_linears.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>

#include "engine/binding.h"
#include "engine/linear.h"

namespace sesame::engine {

namespace {

struct Field {
  const char* name;
  Tensor PackedLinear::*tensor;
};
constexpr Field kFields[] = {{"weight", &PackedLinear::weight},
                             {"bias", &PackedLinear::bias},
                             {"scale", &PackedLinear::scale},
                             {"sums", &PackedLinear::acc_init}};

bool is_packed(const Node& node) { return node.attributes.has("packed_in"); }

PackedLinear packed(const Graph& graph, Node& node) {
  return with_node(graph, node, [&] { return Linear(linear_weights(graph, node), linear_scheme(node)).packed(); });
}

// Constants are numbered in the order in which they are to lie in the file: field by field over the group.
void pack_group(Graph& graph, const std::vector<Node*>& nodes) {
  std::vector<PackedLinear> linears;
  for (Node* node : nodes) {
    linears.push_back(packed(graph, *node));
    node->inputs.resize(1);
    node->attributes.set("packed_in", static_cast<std::int64_t>(linears.back().in));
    node->attributes.set("packed_out", static_cast<std::int64_t>(linears.back().out));
  }
  for (const Field& field : kFields) {
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const Tensor& tensor = linears[i].*field.tensor;
      if (!tensor) continue;
      const std::string name = graph.value(nodes[i]->output(0)).name + "/" + field.name;
      nodes[i]->inputs.push_back(graph.add_constant(name, tensor));
    }
  }
}

}  // namespace

void pack_constants(Graph& graph, const SideBySide& groups) {
  std::map<ValueId, Node*> linears;
  for (Node& node : graph.nodes) {
    if (node.is("Linear", kSesame) && !node.step && !is_packed(node)) linears.emplace(node.output(0), &node);
  }
  for (const std::vector<ValueId>& group : groups) {
    std::vector<Node*> nodes;
    for (ValueId id : group) {
      if (const auto it = linears.find(id); it != linears.end()) nodes.push_back(it->second);
      linears.erase(id);
    }
    if (!nodes.empty()) pack_group(graph, nodes);
  }
  for (auto& [id, node] : linears) pack_group(graph, {node});
}

}  // namespace sesame::engine
