// A pass that takes a graph's nodes one after the other and replaces some of them.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "engine/graph.h"
#include "engine/normal_forms/emitter.h"

namespace sesame::engine {

class Rewriter {
 protected:
  explicit Rewriter(Graph& graph) : graph_(graph) {}

  // take(node) puts what replaces a node behind nodes_, or gives false; then the node stays. Matchers see the old nodes
  // until the end.
  template <class Take>
  void rewrite(Take take) {
    const std::vector<Node> old = graph_.nodes;
    for (const Node& node : old) {
      if (!take(node)) keep(node);
    }
    graph_.nodes = std::move(nodes_);
    for (ValueId& id : graph_.outputs) id = now(id);
    remove_dead_nodes(graph_);
  }

  // The value that stands for another by now.
  ValueId now(ValueId id) const {
    const auto it = alias_.find(id);
    return it == alias_.end() ? id : it->second;
  }

  void keep(Node node) {
    for (ValueId& id : node.inputs) id = now(id);
    nodes_.push_back(std::move(node));
  }

  Emitter emitter(const Node& node) { return Emitter(graph_, nodes_, graph_.value(node.output(0)).name); }

  Graph& graph_;
  std::vector<Node> nodes_;
  std::map<ValueId, ValueId> alias_;
};

}  // namespace sesame::engine
