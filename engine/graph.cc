#include "engine/graph.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "sesame/error.h"

namespace sesame::engine {

namespace {

[[noreturn]] void missing_attribute(std::string_view name) {
  throw Error("attribute '" + std::string(name) + "' is missing");
}

template <class T>
T required(const T* value, std::string_view name) {
  if (value == nullptr) missing_attribute(name);
  return *value;
}

}  // namespace

template <class T>
const T* Attributes::find(std::string_view name) const {
  const auto it = map_.find(name);
  if (it == map_.end()) return nullptr;
  const T* value = std::get_if<T>(&it->second);
  if (value == nullptr) throw Error("attribute '" + std::string(name) + "' has an unexpected type");
  return value;
}

std::int64_t Attributes::integer(std::string_view name) const { return required(find<std::int64_t>(name), name); }

std::int64_t Attributes::integer(std::string_view name, std::int64_t otherwise) const {
  const auto* value = find<std::int64_t>(name);
  return value ? *value : otherwise;
}

float Attributes::real(std::string_view name) const { return required(find<float>(name), name); }

float Attributes::real(std::string_view name, float otherwise) const {
  const auto* value = find<float>(name);
  return value ? *value : otherwise;
}

std::string Attributes::text(std::string_view name) const { return required(find<std::string>(name), name); }

std::string Attributes::text(std::string_view name, std::string_view otherwise) const {
  const auto* value = find<std::string>(name);
  return value ? *value : std::string(otherwise);
}

std::vector<std::int64_t> Attributes::integers(std::string_view name) const {
  return required(find<std::vector<std::int64_t>>(name), name);
}

std::optional<std::vector<std::int64_t>> Attributes::maybe_integers(std::string_view name) const {
  const auto* value = find<std::vector<std::int64_t>>(name);
  return value ? std::optional(*value) : std::nullopt;
}

std::vector<float> Attributes::reals(std::string_view name) const {
  return required(find<std::vector<float>>(name), name);
}

Tensor Attributes::tensor(std::string_view name) const { return required(find<Tensor>(name), name); }

std::string describe(const Graph& graph, const Node& node) {
  std::string label = node.name;
  if (label.empty() && !node.outputs.empty() && node.outputs[0] != kNoValue) label = graph.value(node.outputs[0]).name;
  const std::string op = node.domain.empty() ? node.op : node.domain + "." + node.op;
  return "node '" + label + "' (" + op + ")";
}

ValueId Graph::add_value(std::string name) {
  values_.push_back({});
  values_.back().name = std::move(name);
  return static_cast<ValueId>(values_.size()) - 1;
}

ValueId Graph::add_constant(std::string name, Tensor tensor) {
  const ValueId id = add_value(std::move(name));
  value(id).constant = std::move(tensor);
  return id;
}

const Tensor& Graph::constant(ValueId id) const {
  static const Tensor none;
  return id == kNoValue ? none : value(id).constant;
}

void Graph::replace_uses(ValueId from, ValueId to) {
  for (Node& node : nodes) std::replace(node.inputs.begin(), node.inputs.end(), from, to);
  std::replace(outputs.begin(), outputs.end(), from, to);
}

Uses::Uses(const Graph& graph)
    : graph_(&graph),
      producer_(graph.value_count(), -1),
      readers_(graph.value_count()),
      is_output_(graph.value_count(), false) {
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    for (ValueId id : graph.nodes[n].inputs) {
      if (id != kNoValue) readers_[static_cast<std::size_t>(id)].push_back(static_cast<int>(n));
    }
    for (ValueId id : graph.nodes[n].outputs) {
      if (id != kNoValue) producer_[static_cast<std::size_t>(id)] = static_cast<int>(n);
    }
  }
  for (ValueId id : graph.outputs) is_output_[static_cast<std::size_t>(id)] = true;
}

const Node* Uses::producer(ValueId id) const {
  const int n = producer_index(id);
  return n < 0 ? nullptr : &graph_->nodes[static_cast<std::size_t>(n)];
}

void remove_dead_nodes(Graph& graph) {
  std::vector<bool> wanted(graph.value_count(), false);
  for (ValueId id : graph.outputs) wanted[static_cast<std::size_t>(id)] = true;
  std::vector<bool> keep(graph.nodes.size(), false);
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {
    const Node& node = graph.nodes[n];
    keep[n] = std::any_of(node.outputs.begin(), node.outputs.end(),
                          [&](ValueId id) { return id != kNoValue && wanted[static_cast<std::size_t>(id)]; });
    if (!keep[n]) continue;
    for (ValueId id : node.inputs) {
      if (id != kNoValue) wanted[static_cast<std::size_t>(id)] = true;
    }
  }
  std::size_t n = 0;
  std::erase_if(graph.nodes, [&](const Node&) { return !keep[n++]; });
}

void sort_topologically(Graph& graph) {
  const Uses uses(graph);
  std::vector<bool> given(graph.value_count(), false);
  for (ValueId id : graph.inputs) given[static_cast<std::size_t>(id)] = true;

  enum class Mark { unseen, open, done };
  std::vector<Mark> marks(graph.nodes.size(), Mark::unseen);
  std::vector<std::size_t> order;
  order.reserve(graph.nodes.size());

  // Depth first with a stack of our own: a file may hold a chain of any length.
  struct Frame {
    std::size_t node;
    std::size_t next_input;
  };
  std::vector<Frame> stack;
  for (std::size_t root = 0; root < graph.nodes.size(); ++root) {
    if (marks[root] != Mark::unseen) continue;
    stack.push_back({root, 0});
    marks[root] = Mark::open;
    while (!stack.empty()) {
      Frame& frame = stack.back();
      const Node& node = graph.nodes[frame.node];
      if (frame.next_input == node.inputs.size()) {
        marks[frame.node] = Mark::done;
        order.push_back(frame.node);
        stack.pop_back();
        continue;
      }
      const ValueId id = node.inputs[frame.next_input++];
      if (id == kNoValue || graph.is_constant(id) || given[static_cast<std::size_t>(id)]) continue;
      const int producer = uses.producer_index(id);
      if (producer < 0) {
        throw Error(describe(graph, node) + " reads '" + graph.value(id).name +
                    "', an undefined tensor: no node, input or initializer makes it");
      }
      const auto p = static_cast<std::size_t>(producer);
      if (marks[p] == Mark::open) throw Error(describe(graph, node) + " is part of a cycle");
      if (marks[p] == Mark::unseen) {
        marks[p] = Mark::open;
        stack.push_back({p, 0});
      }
    }
  }

  std::vector<Node> sorted;
  sorted.reserve(order.size());
  for (std::size_t n : order) sorted.push_back(std::move(graph.nodes[n]));
  graph.nodes = std::move(sorted);
}

}  // namespace sesame::engine
