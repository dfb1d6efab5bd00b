#include "engine/quantizer/onnx_forms/form_builder.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "engine/quantizer/onnx_forms/targets.h"
#include "sesame/error.h"

namespace sesame::engine {

namespace {

constexpr double kLowest = std::numeric_limits<std::int32_t>::min();
constexpr double kHighest = std::numeric_limits<std::int32_t>::max();

// [rows, columns] -> [columns, rows]
Tensor transposed_bytes(const Tensor& matrix) {
  const std::int64_t rows = matrix.dim(0);
  const std::int64_t columns = matrix.dim(1);
  Tensor result = Tensor::allocate(matrix.type(), {columns, rows});
  const auto* from = static_cast<const std::uint8_t*>(matrix.raw());
  auto* to = static_cast<std::uint8_t*>(result.raw());
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) to[c * rows + r] = from[r * columns + c];
  }
  return result;
}

}  // namespace

FormBuilder::FormBuilder(Graph& graph, const OnnxFormOptions& options)
    : graph_(graph), options_(options), opset_(graph.opsets.find(kOnnx)->second) {
  for (const Node& node : graph.nodes) node_names_.insert(node.name);
}

std::string FormBuilder::unique(const std::string& node_name) {
  std::string name = node_name;
  for (int& n = copies_[node_name]; !node_names_.insert(name).second;) name = node_name + "_" + std::to_string(++n);
  return name;
}

ValueId FormBuilder::add(std::string op, std::vector<ValueId> inputs, std::string output_name) {
  const ValueId out = value(output_name);
  add(std::move(op), std::move(inputs), {out}, std::move(output_name));
  return out;
}

void FormBuilder::add(std::string op, std::vector<ValueId> inputs, std::vector<ValueId> outputs,
                      const std::string& node_name, Attributes attributes, std::string_view domain) {
  Node node;
  node.op = std::move(op);
  node.domain = domain;
  node.version = domain == kOnnx ? opset_ : 1;
  node.name = unique(node_name);
  node.inputs = std::move(inputs);
  node.outputs = std::move(outputs);
  node.attributes = std::move(attributes);
  nodes_.push_back(std::move(node));
}

QuantizedValue FormBuilder::constant(ValueId id, const IntegerRange& integers, std::optional<std::size_t> axis) {
  const auto [it, is_new] = constants_.try_emplace({id, integers.type, integers.high, axis});
  if (!is_new) return it->second;
  const std::string name = graph_.value(id).name;
  try {
    QuantizedTensor quantized = quantize_constant(graph_.constant(id), integers, axis);
    it->second = {constant(name + "_quantized", std::move(quantized.values)),
                  constant(name + "_scale", std::move(quantized.scale)),
                  constant(name + "_zero_point", std::move(quantized.zero_point))};
  } catch (const Error& error) {
    throw Error("tensor '" + name + "': " + error.what());
  }
  return it->second;
}

QuantizedValue FormBuilder::weight(const Node& node) {
  const auto axis = options_.per_channel ? channel_axis(graph_, node) : std::nullopt;
  return constant(node.input(1), integer_range(options_.weight_type, options_.reduce_range), axis);
}

QuantizedValue FormBuilder::matmul_weight(const Node& node) {
  QuantizedValue w = weight(node);
  if (!node.is("Gemm") || node.attributes.integer("transB", 0) == 0) return w;
  const auto [it, is_new] = transposed_.try_emplace(w.value, kNoValue);
  if (is_new) {
    it->second = constant(graph_.value(w.value).name + "_transposed", transposed_bytes(graph_.constant(w.value)));
  }
  w.value = it->second;
  return w;
}

QuantizedValue FormBuilder::parameters(ValueId id, const Ranges& ranges) {
  const auto [it, is_new] = parameters_.try_emplace(id);
  if (!is_new) return it->second;
  const std::string name = graph_.value(id).name;
  const Affine affine = affine_of(ranges.find(name)->second, integer_range(DType::u8, false));
  it->second = {kNoValue, constant(name + "_scale", scale_tensor(affine)),
                constant(name + "_zero_point", zero_point_tensor(affine, DType::u8))};
  return it->second;
}

QuantizedValue FormBuilder::bias(const Node& gemm, const QuantizedValue& x, const QuantizedValue& w) {
  const ValueId id = gemm.input(2);
  const Tensor& floats = graph_.constant(id);
  const Tensor& w_scale = graph_.constant(w.scale);
  const float x_scale = *graph_.constant(x.scale).data<float>();
  Tensor values = Tensor::allocate(DType::i32, floats.shape());
  Tensor scale = Tensor::allocate(DType::f32, w_scale.shape());
  for (std::int64_t n = 0; n < scale.size(); ++n) scale.data<float>()[n] = x_scale * w_scale.data<float>()[n];
  for (std::int64_t n = 0; n < floats.size(); ++n) {
    const double q = double{floats.data<float>()[n]} / scale.data<float>()[scale.size() == 1 ? 0 : n];
    if (!std::isfinite(q)) {
      throw Error("tensor '" + graph_.value(id).name + "': expected finite values to quantize, found NaN or infinity");
    }
    values.data<std::int32_t>()[n] = static_cast<std::int32_t>(std::clamp(std::nearbyint(q), kLowest, kHighest));
  }
  const std::string name = graph_.value(id).name;
  return {constant(name + "_quantized", std::move(values)), constant(name + "_scale", std::move(scale)), kNoValue};
}

void FormBuilder::gather(const Node& node) {
  const QuantizedValue table = this->table(node.input(0));
  Node gather = node;
  gather.inputs[0] = table.value;
  gather.outputs[0] = value(graph_.value(node.outputs[0]).name + "_quantized");
  const ValueId gathered = gather.outputs[0];
  keep(std::move(gather));
  add("DequantizeLinear", {gathered, table.scale, table.zero_point}, {node.outputs[0]},
      graph_.value(node.outputs[0]).name + "_DequantizeLinear");
}

}  // namespace sesame::engine
