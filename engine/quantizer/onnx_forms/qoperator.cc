// Operators on bytes: QLinearMatMul, QGemm, QLinearAdd, QLinearMul.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "engine/quantizer/onnx_forms/form_builder.h"
#include "engine/quantizer/onnx_forms/targets.h"

namespace sesame::engine {

namespace {

class QOperator {
 public:
  QOperator(FormBuilder& builder, const std::vector<Role>& roles, const Ranges& ranges)
      : b_(builder), roles_(roles), ranges_(ranges), nodes_(builder.graph().nodes), uses_(builder.graph()) {}

  void write() {
    for (std::size_t n = 0; n < nodes_.size(); ++n) {
      if (roles_[n] == Role::none) b_.keep(nodes_[n]);
      if (roles_[n] == Role::gather) b_.gather(nodes_[n]);
      if (is_integer(n)) quantize(nodes_[n]);
    }
  }

 private:
  bool is_integer(std::size_t n) const { return roles_[n] == Role::matmul || roles_[n] == Role::binary; }

  void quantize(const Node& node) {
    const ValueId out = node.outputs[0];
    QuantizedValue y = b_.parameters(out, ranges_);
    y.value = b_.value(name(out) + "_quantized");
    const std::string label = node.name.empty() ? name(out) + "_quant" : node.name + "_quant";
    const QuantizedValue a = operand(node, 0);
    const QuantizedValue b = operand(node, 1);
    std::vector<ValueId> inputs = {a.value, a.scale, a.zero_point, b.value, b.scale, b.zero_point};
    if (node.is("Gemm")) inputs.push_back(node.input(2) == kNoValue ? kNoValue : b_.bias(node, a, b).value);
    inputs.insert(inputs.end(), {y.scale, y.zero_point});
    b_.add(node.is("Gemm") ? "QGemm" : "QLinear" + node.op, std::move(inputs), {y.value}, label,
           node.is("Gemm") ? gemm_attributes(node) : Attributes(), node.is("MatMul") ? kOnnx : kMicrosoft);
    bytes_[out] = y;
    if (has_float_reader(out)) {
      b_.add("DequantizeLinear", {y.value, y.scale, y.zero_point}, {out}, name(out) + "_DequantizeLinear");
    }
  }

  static Attributes gemm_attributes(const Node& node) {
    Attributes attributes;
    attributes.set("transB", node.attributes.integer("transB", 0));
    return attributes;
  }

  QuantizedValue operand(const Node& node, std::size_t i) {
    const ValueId id = node.inputs[i];
    const bool is_weight = i == 1 && !node.is("Add") && !node.is("Mul");
    if (b_.graph().is_constant(id)) return is_weight ? b_.weight(node) : b_.operand(id);
    const auto [it, is_new] = bytes_.try_emplace(id);
    if (is_new) {
      QuantizedValue q = b_.parameters(id, ranges_);
      q.value = b_.add("QuantizeLinear", {id, q.scale, q.zero_point}, name(id) + "_QuantizeLinear");
      it->second = q;
    }
    return it->second;
  }

  bool has_float_reader(ValueId id) const {
    const auto& readers = uses_.readers(id);
    return uses_.is_graph_output(id) ||
           std::any_of(readers.begin(), readers.end(), [&](int n) { return !is_integer(static_cast<std::size_t>(n)); });
  }

  std::string name(ValueId id) const { return b_.graph().value(id).name; }

  FormBuilder& b_;
  const std::vector<Role>& roles_;
  const Ranges& ranges_;
  const std::vector<Node> nodes_;
  const Uses uses_;
  std::map<ValueId, QuantizedValue> bytes_;  // float value -> its bytes
};

}  // namespace

void write_qoperator(FormBuilder& builder, const std::vector<Role>& roles, const Ranges& ranges) {
  QOperator(builder, roles, ranges).write();
}

}  // namespace sesame::engine
