// float16 is a way to store and to hand over; everything computes in float32.
#include <algorithm>
#include <utility>
#include <vector>

#include "engine/normal_forms/emitter.h"
#include "engine/normal_forms/normal_forms.h"
#include "engine/onnx_types.h"
#include "engine/shape_probe.h"

namespace sesame::engine {

namespace {

Tensor widened(const Tensor& halves) {
  const Tensor floats = Tensor::allocate(DType::f32, halves.shape());
  for (std::int64_t i = 0; i < halves.size(); ++i) floats.data<float>()[i] = to_float(halves.data<Half>()[i]);
  return floats;
}

bool is_half(const Tensor& t) { return t && t.type() == DType::f16; }

// Whether the value is float16 as far as declarations and inference tell.
bool is_half(const Graph& graph, const ShapeProbe& probe, ValueId id) {
  if (graph.is_constant(id)) return is_half(graph.constant(id));
  if (probe.shape(id)) return probe.type(id) == DType::f16;
  return graph.value(id).declared_type == DType::f16;
}

bool names_half(const Attribute& attribute) {
  const auto* number = std::get_if<std::int64_t>(&attribute);
  return number != nullptr && *number == onnx_number(DType::f16);
}

// What says the type of a node's output.
void widen_attributes(Node& node) {
  Attributes attributes;
  for (const auto& [name, attribute] : node.attributes.all()) {
    const auto* tensor = std::get_if<Tensor>(&attribute);
    const bool is_type = name == "to" || name == "dtype" || name == "output_dtype";
    if (tensor != nullptr && is_half(*tensor)) {
      attributes.set(name, widened(*tensor));
    } else if (is_type && names_half(attribute)) {
      attributes.set(name, std::int64_t{onnx_number(DType::f32)});
    } else {
      attributes.set(name, attribute);
    }
  }
  node.attributes = std::move(attributes);
}

class Widening {
 public:
  explicit Widening(Graph& graph) : graph_(graph), instead_(graph.value_count()) {
    for (std::size_t v = 0; v < instead_.size(); ++v) instead_[v] = static_cast<ValueId>(v);
  }

  void run() {
    const ShapeProbe probe(graph_);
    std::vector<ValueId> halves;  // outputs to be rounded at the end
    for (ValueId id : graph_.outputs) {
      const bool seen = std::find(halves.begin(), halves.end(), id) != halves.end();
      if (!seen && is_half(graph_, probe, id) && !is_input(id)) halves.push_back(id);
    }
    std::vector<Node> nodes;
    widen_constants(halves);
    widen_inputs(probe, nodes);
    for (ValueId id : halves) {
      if (!graph_.is_constant(id)) instead_[index(id)] = graph_.add_value(graph_.value(id).name + "/float");
    }
    for (Node& node : graph_.nodes) {
      for (auto* ids : {&node.inputs, &node.outputs}) {
        for (ValueId& id : *ids) id = id == kNoValue ? id : instead_[index(id)];
      }
      widen_attributes(node);
      nodes.push_back(std::move(node));
    }
    for (ValueId id : halves) {
      if (!graph_.is_constant(id)) cast(nodes, instead_[index(id)], id, DType::f16);
    }
    graph_.nodes = std::move(nodes);
  }

 private:
  static std::size_t index(ValueId id) { return static_cast<std::size_t>(id); }

  bool is_input(ValueId id) const {
    return std::find(graph_.inputs.begin(), graph_.inputs.end(), id) != graph_.inputs.end();
  }

  void widen_constants(const std::vector<ValueId>& outputs) {
    const std::size_t count = graph_.value_count();
    for (std::size_t v = 0; v < count; ++v) {
      const auto id = static_cast<ValueId>(v);
      const Tensor constant = graph_.constant(id);
      if (!is_half(constant)) continue;
      if (std::find(outputs.begin(), outputs.end(), id) == outputs.end()) {
        graph_.value(id).constant = widened(constant);
      } else {
        instead_[v] = graph_.add_constant(graph_.value(id).name + "/float", widened(constant));
      }
    }
  }

  void widen_inputs(const ShapeProbe& probe, std::vector<Node>& nodes) {
    for (ValueId id : graph_.inputs) {
      if (!is_half(graph_, probe, id)) continue;
      instead_[index(id)] = graph_.add_value(graph_.value(id).name + "/float");
      cast(nodes, id, instead_[index(id)], DType::f32);
    }
  }

  void cast(std::vector<Node>& nodes, ValueId from, ValueId to, DType type) {
    Emitter(graph_, nodes, graph_.value(to).name)
        .emit_to(to, "Cast", 13, {from}, Emitter::with("to", std::int64_t{onnx_number(type)}));
  }

  Graph& graph_;
  std::vector<ValueId> instead_;  // what nodes read and write for a value, itself for most
};

bool has_halves(const Graph& graph) {
  for (std::size_t v = 0; v < graph.value_count(); ++v) {
    const Value& value = graph.value(static_cast<ValueId>(v));
    if (is_half(value.constant) || value.declared_type == DType::f16) return true;
  }
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
    return node.is("Cast") && node.attributes.integer("to", 0) == onnx_number(DType::f16);
  });
}

}  // namespace

bool widen_halves(Graph& graph) {
  if (!has_halves(graph)) return false;
  Widening(graph).run();
  return true;
}

}  // namespace sesame::engine
