#include "engine/quantizer/calibration.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "engine/steps/linear_step.h"
#include "sesame/error.h"

namespace sesame::engine {

namespace {

Plan make_plan(Graph graph) {
  pack_linears(graph);
  return Plan(std::move(graph));
}

}  // namespace

Graph observed_graph(Graph graph, std::span<const std::string> values) {
  std::unordered_map<std::string_view, ValueId> by_name;
  const auto add = [&](ValueId id) {
    if (id != kNoValue) by_name.emplace(graph.value(id).name, id);
  };
  std::for_each(graph.inputs.begin(), graph.inputs.end(), add);
  for (const Node& node : graph.nodes) std::for_each(node.outputs.begin(), node.outputs.end(), add);

  std::vector<ValueId> wanted;
  for (const std::string& name : values) {
    const auto it = by_name.find(name);
    if (it == by_name.end()) throw Error("no value '" + name + "' is computed in the graph, so none can be observed");
    if (std::find(wanted.begin(), wanted.end(), it->second) == wanted.end()) wanted.push_back(it->second);
  }
  graph.outputs = std::move(wanted);
  remove_dead_nodes(graph);
  return graph;
}

Observers::Observers(const Graph& observed, const CalibrationOptions& options) {
  for (ValueId id : observed.outputs) {
    names_.push_back(observed.value(id).name);
    observers_.emplace(names_.back(), Observer(options));
  }
}

void Observers::observe(std::span<const Tensor> outputs) {
  if (outputs.size() != names_.size()) {
    throw Error("expected " + std::to_string(names_.size()) + " float tensors to observe, found " +
                std::to_string(outputs.size()));
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    try {
      if (outputs[i].type() != DType::f32) {
        throw Error("expected a float tensor to observe, found " + std::string(name(outputs[i].type())));
      }
      observers_.at(names_[i]).observe(outputs[i].span<float>());
    } catch (const Error& error) {
      throw Error("value '" + names_[i] + "': " + error.what());
    }
  }
}

std::map<std::string, Range> Observers::ranges() const {
  std::map<std::string, Range> ranges;
  for (const auto& [name, observer] : observers_) ranges.emplace(name, observer.range());
  return ranges;
}

Calibration::Calibration(Graph graph, std::span<const std::string> values, const CalibrationOptions& options)
    : plan_(make_plan(observed_graph(std::move(graph), values))),
      runner_(plan_, {}),
      observers_(plan_.graph(), options) {}

void Calibration::observe(std::span<const Tensor> inputs) { observers_.observe(runner_.run(inputs)); }

}  // namespace sesame::engine
