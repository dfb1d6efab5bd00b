#include "engine/quantizer/node_selection.h"

#include <algorithm>
#include <array>
#include <regex>
#include <utility>

#include "engine/normal_forms/matcher.h"
#include "engine/normal_forms/normal_forms.h"
#include "sesame/error.h"

namespace sesame::engine {

namespace {

constexpr std::array kGroups = {NodeGroup::layernorm, NodeGroup::gelu, NodeGroup::residual, NodeGroup::gather,
                                NodeGroup::softmax};
// libstdc++ matches recursively: a name of a hostile file must not exhaust the stack.
constexpr std::size_t kMaxMatched = 2048;

using Flags = std::vector<bool>;

std::size_t index(ValueId id) { return static_cast<std::size_t>(id); }

// By value: whether some node of the graph makes it.
Flags made(const Graph& graph) {
  Flags flags(graph.value_count(), false);
  for (const Node& node : graph.nodes) {
    for (ValueId id : node.outputs) {
      if (id != kNoValue) flags[index(id)] = true;
    }
  }
  return flags;
}

// The nodes of `graph` that `form` takes out, and those that it makes into `op`: the parts of what it recognises.
Flags parts_of(const Graph& graph, void (*form)(Graph&), std::string_view op) {
  Graph formed = graph;
  remove_dead_nodes(formed);
  const Flags before = made(formed);
  form(formed);
  const Flags after = made(formed);
  Flags is_op(formed.value_count(), false);
  for (const Node& node : formed.nodes) {
    if (node.output(0) != kNoValue) is_op[index(node.output(0))] = node.is(op);
  }
  Flags parts(graph.nodes.size(), false);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const ValueId out = graph.nodes[n].output(0);
    if (out == kNoValue || !before[index(out)] || graph.nodes[n].is(op)) continue;
    parts[n] = !after[index(out)] || is_op[index(out)];
  }
  return parts;
}

bool is_sum_of_activations(const Matcher& m, const Node* add) {
  return add != nullptr && add->inputs.size() == 2 && !m.graph().is_constant(add->input(0)) &&
         !m.graph().is_constant(add->input(1));
}

// The node that makes `id`, looking through Transposes: features may come first.
const Node* maker(const Matcher& m, ValueId id) {
  const Node* node = m.uses().producer(id);
  while (node != nullptr && node->is("Transpose")) node = m.uses().producer(node->input(0));
  return node;
}

// By value: whether it leads to a LayerNormalization of a residual sum. `graph` has its LayerNormalizations formed.
Flags leads_to_residual(const Graph& graph) {
  const Matcher m(graph);
  Flags leads(graph.value_count(), false);
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {
    const Node& node = graph.nodes[n];
    const Node* sum = node.is("LayerNormalization") ? maker(m, node.input(0)) : nullptr;
    bool on = sum != nullptr && sum->is("Add") && is_sum_of_activations(m, sum);
    for (ValueId id : node.outputs) on = on || (id != kNoValue && leads[index(id)]);
    if (!on) continue;
    for (ValueId id : node.inputs) {
      if (id != kNoValue) leads[index(id)] = true;
    }
  }
  return leads;
}

bool reads_output_of(const Matcher& m, const Node& node, std::string_view op) {
  return std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) { return m.made_by(id, op) != nullptr; });
}

bool is_read_by(const Matcher& m, const Node& node, std::string_view op) {
  const auto& readers = m.uses().readers(node.output(0));
  return std::any_of(readers.begin(), readers.end(),
                     [&](int n) { return m.graph().nodes[static_cast<std::size_t>(n)].is(op); });
}

class Groups {
 public:
  explicit Groups(const Graph& graph) : m_(graph) {}

  Flags members(NodeGroup group) const {
    const Graph& graph = m_.graph();
    if (group == NodeGroup::layernorm) return parts_of(graph, form_layernorms, "LayerNormalization");
    if (group == NodeGroup::gelu) return parts_of(graph, form_gelus, "Gelu");
    Flags flags(graph.nodes.size(), false);
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      flags[n] = graph.nodes[n].is("Add") && is_member(graph.nodes[n], group);
    }
    return flags;
  }

 private:
  bool is_member(const Node& add, NodeGroup group) const {
    if (group == NodeGroup::gather) return reads_output_of(m_, add, "Gather");
    if (group == NodeGroup::softmax) return is_read_by(m_, add, "Softmax");
    return reads_output_of(m_, add, "Add") ||
           (is_sum_of_activations(m_, &add) && is_read_by(m_, add, "LayerNormalization"));
  }

  Matcher m_;
};

std::regex parse_expression(const std::string& text) {
  try {
    return std::regex(text, std::regex::ECMAScript | std::regex::optimize);
  } catch (const std::regex_error& error) {
    throw Error("expected a regular expression, found '" + text + "': " + error.what());
  }
}

std::string_view name_of(const Graph& graph, const Node& node) {
  const bool has_output = node.output(0) != kNoValue;
  const std::string_view name = node.name.empty() && has_output ? graph.value(node.output(0)).name : node.name;
  return name.substr(0, kMaxMatched);
}

void drop(Flags& selected, const Flags& excluded) {
  for (std::size_t n = 0; n < selected.size(); ++n) selected[n] = selected[n] && !excluded[n];
}

void drop_heads(const Graph& graph, Flags& selected) {
  Graph formed = graph;
  take_fusions_apart(formed);
  form_layernorms(formed);
  const Flags leads = leads_to_residual(formed);
  if (std::find(leads.begin(), leads.end(), true) == leads.end()) return;
  // What vanished in the normalizations themselves leads where they lead; an Add of theirs is no head.
  const Flags kept = made(formed);
  for (std::size_t n = 0; n < selected.size(); ++n) {
    const ValueId out = graph.nodes[n].output(0);
    if (out != kNoValue && kept[index(out)] && !leads[index(out)]) selected[n] = false;
  }
}

}  // namespace

std::string_view name(NodeGroup group) {
  switch (group) {
    case NodeGroup::layernorm:
      return "layernorm";
    case NodeGroup::gelu:
      return "gelu";
    case NodeGroup::residual:
      return "residual";
    case NodeGroup::gather:
      return "gather";
    case NodeGroup::softmax:
      break;
  }
  return "softmax";
}

std::span<const NodeGroup> all_node_groups() { return kGroups; }

NodeGroup parse_node_group(std::string_view text) {
  for (const NodeGroup group : kGroups) {
    if (text == name(group)) return group;
  }
  throw Error("expected layernorm, gelu, residual, gather or softmax, found '" + std::string(text) + "'");
}

std::vector<bool> select_nodes(const Graph& graph, const NodeSelection& selection) {
  const auto& wanted = selection.operators;
  Flags selected(graph.nodes.size(), false);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    selected[n] = node.domain == kOnnx && std::find(wanted.begin(), wanted.end(), node.op) != wanted.end();
  }
  const Groups groups(graph);
  for (const NodeGroup group : selection.exclude) drop(selected, groups.members(group));
  if (!selection.exclude_nodes.empty()) {
    const std::regex expression = parse_expression(selection.exclude_nodes);
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      if (!selected[n]) continue;
      const std::string_view name = name_of(graph, graph.nodes[n]);
      selected[n] = !std::regex_search(name.begin(), name.end(), expression);
    }
  }
  if (!selection.heads) drop_heads(graph, selected);
  return selected;
}

}  // namespace sesame::engine
