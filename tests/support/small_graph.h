// Graphs of a few nodes, built in code, and a way to run them.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "engine/graph.h"
#include "engine/plan.h"
#include "engine/tensor.h"

namespace sesame::tests {

// Values in (-1, 1), the same for the same seed.
inline engine::Tensor random_floats(engine::Shape shape, unsigned seed, float scale = 1) {
  engine::Tensor t = engine::Tensor::allocate(engine::DType::f32, std::move(shape));
  std::mt19937 random(seed);
  for (std::int64_t i = 0; i < t.size(); ++i) {
    t.data<float>()[i] = scale * (static_cast<float>(random() >> 8) / static_cast<float>(1 << 23) - 1);
  }
  return t;
}

struct SmallGraph {
  engine::Graph graph;
  int opset;

  explicit SmallGraph(int version = 13) : opset(version) { graph.opsets = {{"", version}}; }

  engine::ValueId input(const std::string& name, engine::Shape declared, engine::DType type = engine::DType::f32) {
    const engine::ValueId id = graph.add_value(name);
    graph.value(id).declared_type = type;
    graph.value(id).declared_shape = std::move(declared);
    graph.inputs.push_back(id);
    return id;
  }
  engine::ValueId constant(engine::Tensor tensor) { return graph.add_constant(next_name("c"), std::move(tensor)); }
  engine::ValueId scalar(float value) { return constant(engine::Tensor::scalar(value)); }
  engine::ValueId floats(const std::vector<float>& values) {
    return constant(engine::Tensor::of<float>({static_cast<std::int64_t>(values.size())}, values));
  }
  engine::ValueId ints(const std::vector<std::int64_t>& values) {
    return constant(engine::Tensor::of<std::int64_t>({static_cast<std::int64_t>(values.size())}, values));
  }
  using AttributeList = std::vector<std::pair<std::string, engine::Attribute>>;
  // Adds a node and returns its first output.
  engine::ValueId node(const std::string& op, std::vector<engine::ValueId> inputs, const AttributeList& attributes = {},
                       const std::string& domain = "") {
    return nodes(op, std::move(inputs), 1, attributes, domain)[0];
  }
  std::vector<engine::ValueId> nodes(const std::string& op, std::vector<engine::ValueId> inputs, std::size_t outputs,
                                     const AttributeList& attributes = {}, const std::string& domain = "") {
    engine::Node n;
    n.op = op;
    n.domain = domain;
    n.version = opset;
    n.inputs = std::move(inputs);
    for (std::size_t i = 0; i < outputs; ++i) n.outputs.push_back(graph.add_value(next_name(op)));
    for (const auto& [name, value] : attributes) n.attributes.set(name, value);
    graph.nodes.push_back(n);
    return n.outputs;
  }
  void output(engine::ValueId id) { graph.outputs.push_back(id); }

  std::string next_name(const std::string& stem) { return stem + "_" + std::to_string(graph.value_count()); }
};

inline int count(const engine::Graph& graph, const std::string& op) {
  int n = 0;
  for (const engine::Node& node : graph.nodes) n += node.op == op ? 1 : 0;
  return n;
}

// The outputs of one pass, with memory of their own.
inline std::vector<engine::Tensor> run(const engine::Plan& plan, const std::vector<engine::Tensor>& inputs,
                                       const engine::RunnerOptions& options = {}) {
  engine::Runner runner(plan, options);
  std::vector<engine::Tensor> outputs;
  for (const engine::Tensor& t : runner.run(inputs)) outputs.push_back(t.clone());
  return outputs;
}

inline std::vector<engine::Tensor> run(engine::Graph graph, const std::vector<engine::Tensor>& inputs,
                                       const engine::RunnerOptions& options = {}) {
  const engine::Plan plan(std::move(graph));
  return run(plan, inputs, options);
}

inline bool same_bits(const engine::Tensor& a, const engine::Tensor& b) {
  return a.type() == b.type() && a.shape() == b.shape() &&
         (a.bytes() == 0 || __builtin_memcmp(a.raw(), b.raw(), a.bytes()) == 0);
}

}  // namespace sesame::tests
