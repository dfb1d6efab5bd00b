// Writes nodes in place of others: a pass walks the old list and emits the new one.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/graph.h"

namespace sesame::engine {

class Emitter {
 public:
  // Names of new values start with `prefix`, usually the name of what they replace.
  Emitter(Graph& graph, std::vector<Node>& nodes, std::string prefix)
      : graph_(graph), nodes_(nodes), prefix_(std::move(prefix)) {}

  // A node of ai.onnx at the given opset version, with a new value as its only output.
  ValueId emit(std::string op, int version, std::vector<ValueId> inputs, Attributes attributes = {}) {
    const ValueId output = graph_.add_value(prefix_ + "/" + op + std::to_string(count_++));
    emit_to(output, std::move(op), version, std::move(inputs), std::move(attributes));
    return output;
  }

  // The same with a value that is there already.
  void emit_to(ValueId output, std::string op, int version, std::vector<ValueId> inputs, Attributes attributes = {}) {
    Node node;
    node.op = std::move(op);
    node.version = version;
    node.name = prefix_;
    node.inputs = std::move(inputs);
    node.outputs = {output};
    node.attributes = std::move(attributes);
    nodes_.push_back(std::move(node));
  }

  ValueId constant(Tensor tensor) {
    return graph_.add_constant(prefix_ + "/constant" + std::to_string(count_++), std::move(tensor));
  }

  // Attributes of one entry.
  static Attributes with(std::string name, Attribute value) {
    Attributes a;
    a.set(std::move(name), std::move(value));
    return a;
  }

 private:
  Graph& graph_;
  std::vector<Node>& nodes_;
  std::string prefix_;
  int count_ = 0;
};

}  // namespace sesame::engine
