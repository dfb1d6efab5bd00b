// Builds the nodes of a quantized graph beside the float one that they replace.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/graph.h"
#include "engine/quantizer/onnx_forms/onnx_forms.h"
#include "engine/quantizer/quantized_tensor.h"

namespace sesame::engine {

// A quantized value, its scale and its zero point.
struct QuantizedValue {
  ValueId value = kNoValue;
  ValueId scale = kNoValue;
  ValueId zero_point = kNoValue;
};

class FormBuilder {
 public:
  FormBuilder(Graph& graph, const OnnxFormOptions& options);

  const Graph& graph() const { return graph_; }
  const OnnxFormOptions& options() const { return options_; }

  // Appends a node with one new output, or with the outputs given; returns the first.
  ValueId add(std::string op, std::vector<ValueId> inputs, std::string output_name);
  void add(std::string op, std::vector<ValueId> inputs, std::vector<ValueId> outputs, const std::string& node_name,
           Attributes attributes = {}, std::string_view domain = kOnnx);
  void keep(Node node) { nodes_.push_back(std::move(node)); }
  ValueId value(std::string name) { return graph_.add_value(std::move(name)); }
  ValueId constant(std::string name, Tensor tensor) { return graph_.add_constant(std::move(name), std::move(tensor)); }

  // Operand 1 of a MatMul or Gemm in the form's weight type, laid out as it was, or as a MatMul wants it. Quantized
  // once however many nodes share it.
  QuantizedValue weight(const Node& node);
  QuantizedValue matmul_weight(const Node& node);
  // A table, in the weight type with one scale; an operand of an Add or Mul, as activations are.
  QuantizedValue table(ValueId id) { return constant(id, integer_range(options_.weight_type, false), std::nullopt); }
  QuantizedValue operand(ValueId id) { return constant(id, integer_range(DType::u8, false), std::nullopt); }
  // Scale and zero point of an activation by its range, u8; `value` is none.
  QuantizedValue parameters(ValueId id, const Ranges& ranges);
  // A Gemm's bias [N] as int32 in units of scale_x * scale_w[n]; its zero point is none.
  QuantizedValue bias(const Node& gemm, const QuantizedValue& x, const QuantizedValue& w);

  // Gather of a quantized table, and DequantizeLinear into the node's output.
  void gather(const Node& node);

  // Puts the new nodes into the graph.
  void finish() { graph_.nodes = std::move(nodes_); }

 private:
  QuantizedValue constant(ValueId id, const IntegerRange& integers, std::optional<std::size_t> axis);

  // ONNX Runtime refuses two nodes of one name.
  std::string unique(const std::string& node_name);

  Graph& graph_;
  const OnnxFormOptions& options_;
  int opset_;
  std::vector<Node> nodes_;
  std::set<std::string> node_names_;
  std::map<std::string, int> copies_;  // of a node's name
  std::map<std::tuple<ValueId, DType, int, std::optional<std::size_t>>, QuantizedValue> constants_;
  std::map<ValueId, ValueId> transposed_;
  std::map<ValueId, QuantizedValue> parameters_;
};

enum class Role;  // targets.h

// The three forms; one role a node.
void write_integer_ops(FormBuilder& builder, const std::vector<Role>& roles);
void write_qdq(FormBuilder& builder, const std::vector<Role>& roles, const Ranges& ranges);
void write_qoperator(FormBuilder& builder, const std::vector<Role>& roles, const Ranges& ranges);

}  // namespace sesame::engine
