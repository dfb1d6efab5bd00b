// The graph as a list of nodes in topological order, each reading and writing values by number.
//
// It comes from an ONNX file (onnx_reader.h), is rewritten by passes (folding, normal forms, quantization, recognition)
// and becomes a plan (plan.h). Nodes keep ONNX's names; what our passes make is in the domain "sesame".
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/tensor.h"

namespace sesame::engine {

using ValueId = int;
inline constexpr ValueId kNoValue = -1;  // an optional input that was left out

class Graph;
class Step;  // step.h

// What an attribute may be. Subgraph marks one that no operator here takes: a graph (If, Loop, Scan), a sparse tensor, a type
// description, a list of tensors. Its content is not kept.
struct Subgraph {};
using Attribute = std::variant<std::int64_t, float, std::string, Tensor, std::vector<std::int64_t>, std::vector<float>,
                               std::vector<std::string>, Subgraph>;

class Attributes {
 public:
  void set(std::string name, Attribute value) { map_.insert_or_assign(std::move(name), std::move(value)); }
  bool has(std::string_view name) const { return map_.find(name) != map_.end(); }
  // The value, the default when absent; throws Error when it is there with another type, or absent without a default.
  std::int64_t integer(std::string_view name) const;
  std::int64_t integer(std::string_view name, std::int64_t otherwise) const;
  float real(std::string_view name) const;
  float real(std::string_view name, float otherwise) const;
  std::string text(std::string_view name) const;
  std::string text(std::string_view name, std::string_view otherwise) const;
  std::vector<std::int64_t> integers(std::string_view name) const;
  std::optional<std::vector<std::int64_t>> maybe_integers(std::string_view name) const;
  std::vector<float> reals(std::string_view name) const;
  Tensor tensor(std::string_view name) const;

  const std::map<std::string, Attribute, std::less<>>& all() const { return map_; }

 private:
  template <class T>
  const T* find(std::string_view name) const;

  std::map<std::string, Attribute, std::less<>> map_;
};

inline constexpr std::string_view kOnnx = "";                    // ai.onnx
inline constexpr std::string_view kMicrosoft = "com.microsoft";  // ONNX Runtime's own
inline constexpr std::string_view kSesame = "sesame";            // normal forms and layer structs

struct Node {
  std::string op;
  std::string domain;  // "" for ai.onnx
  int version = 1;     // the opset of its domain that the model imports
  std::string name;    // may be empty
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;  // kNoValue for an optional output that nobody named
  Attributes attributes;
  // The step that runs this node when a pass has made it (a packed Linear, a recognised encoder); otherwise make_step
  // does.
  std::shared_ptr<const Step> step;

  bool is(std::string_view op_name, std::string_view in_domain = kOnnx) const {
    return op == op_name && domain == in_domain;
  }
  // kNoValue beyond the end: a graph that is being matched may have nodes with too few.
  ValueId input(std::size_t i) const { return i < inputs.size() ? inputs[i] : kNoValue; }
  ValueId output(std::size_t i) const { return i < outputs.size() ? outputs[i] : kNoValue; }
};

// "node 'layer.0/MatMul' (MatMul)", or by its first output where it has no name.
std::string describe(const Graph& graph, const Node& node);

struct Value {
  std::string name;
  Tensor constant;  // undefined unless the value is a constant
  // As declared in the file for graph inputs and outputs; a dimension is -1 where it is symbolic.
  std::optional<DType> declared_type;
  std::optional<Shape> declared_shape;
  std::vector<std::string> declared_dim_names;  // parallel to declared_shape; empty where unnamed
};

class Graph {
 public:
  std::string producer_name;
  std::string producer_version;
  std::map<std::string, int, std::less<>> opsets;  // domain -> version
  std::vector<ValueId> inputs;                     // without initializers
  std::vector<ValueId> outputs;
  std::vector<Node> nodes;  // topological order

  ValueId add_value(std::string name);
  ValueId add_constant(std::string name, Tensor tensor);
  Value& value(ValueId id) { return values_[static_cast<std::size_t>(id)]; }
  const Value& value(ValueId id) const { return values_[static_cast<std::size_t>(id)]; }
  std::size_t value_count() const { return values_.size(); }
  // The constant behind a value, undefined when it is not constant or kNoValue.
  const Tensor& constant(ValueId id) const;
  bool is_constant(ValueId id) const { return static_cast<bool>(constant(id)); }

  // Reads `to` wherever `from` was read, graph outputs included.
  void replace_uses(ValueId from, ValueId to);

 private:
  std::vector<Value> values_;
};

// Who makes and who reads each value; nobody for kNoValue. A snapshot: made anew after the nodes have changed.
class Uses {
 public:
  explicit Uses(const Graph& graph);
  // The node that makes the value, or null (inputs, constants).
  const Node* producer(ValueId id) const;
  int producer_index(ValueId id) const { return id < 0 ? -1 : producer_[static_cast<std::size_t>(id)]; }
  const std::vector<int>& readers(ValueId id) const {
    return id < 0 ? nobody_ : readers_[static_cast<std::size_t>(id)];
  }
  bool is_graph_output(ValueId id) const { return id >= 0 && is_output_[static_cast<std::size_t>(id)]; }
  // Read once, by one node, and not an output of the graph.
  bool has_one_reader(ValueId id) const { return readers(id).size() == 1 && !is_graph_output(id); }

 private:
  const Graph* graph_;
  std::vector<int> producer_;
  std::vector<std::vector<int>> readers_;  // a node that reads a value twice is listed twice
  std::vector<bool> is_output_;
  std::vector<int> nobody_;
};

// Drops the nodes whose outputs nobody reads.
void remove_dead_nodes(Graph& graph);

// Puts the nodes in an order in which every value is made before it is read, keeping the given order where it can.
// Throws Error that names a node of a cycle, or a value that is read and never made.
void sort_topologically(Graph& graph);

}  // namespace sesame::engine
