#include "engine/plan.h"

#include <utility>

#include "engine/binding.h"

namespace sesame::engine {

Plan::Plan(Graph graph) : graph_(std::move(graph)) {
  steps_.reserve(graph_.nodes.size());
  for (const Node& node : graph_.nodes) {
    steps_.push_back(node.step ? node.step : with_node(graph_, node, [&] {
      return std::shared_ptr<const Step>(make_step(graph_, node));
    }));
  }
}

Plan::~Plan() = default;

}  // namespace sesame::engine
