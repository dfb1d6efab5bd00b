// Float operators between pairs of QuantizeLinear and DequantizeLinear.
//
// Only quantized nodes read through a pair: a value that floats read as well (the residual stream) reaches those as it
// is. The result of a quantized node goes through a pair where a quantized node reads it, and then for all its readers,
// and always behind Add and Mul: ONNX Runtime makes one integer operator of DequantizeLinear, operator, QuantizeLinear,
// and a MatMul with a float result of a pattern without the last.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "engine/quantizer/onnx_forms/form_builder.h"
#include "engine/quantizer/onnx_forms/targets.h"

namespace sesame::engine {

namespace {

class Qdq {
 public:
  Qdq(FormBuilder& builder, const std::vector<Role>& roles, const Ranges& ranges)
      : b_(builder), roles_(roles), ranges_(ranges), nodes_(builder.graph().nodes), uses_(builder.graph()) {}

  void write() {
    for (std::size_t n = 0; n < nodes_.size(); ++n) {
      if (roles_[n] == Role::none) b_.keep(nodes_[n]);
      if (roles_[n] == Role::gather) b_.gather(nodes_[n]);
      if (is_integer(n)) quantize(nodes_[n], n);
    }
  }

 private:
  bool is_integer(std::size_t n) const { return roles_[n] == Role::matmul || roles_[n] == Role::binary; }

  void quantize(const Node& original, std::size_t n) {
    Node node = original;
    for (std::size_t i = 0; i < 2; ++i) node.inputs[i] = read(original, i);
    if (node.is("Gemm") && node.input(2) != kNoValue) node.inputs[2] = read_bias(original);
    const ValueId out = node.outputs[0];
    if (roles_[n] == Role::matmul && !has_integer_reader(out)) return b_.keep(std::move(node));
    const ValueId result = b_.value(name(out) + "_float");
    node.outputs[0] = result;
    b_.keep(std::move(node));
    const QuantizedValue p = b_.parameters(out, ranges_);
    const ValueId bytes = b_.add("QuantizeLinear", {result, p.scale, p.zero_point}, name(out) + "_QuantizeLinear");
    b_.add("DequantizeLinear", {bytes, p.scale, p.zero_point}, {out}, name(out) + "_DequantizeLinear");
    pairs_[out] = out;
  }

  // Operand i as it comes out of 8 bits.
  ValueId read(const Node& node, std::size_t i) {
    const ValueId id = node.inputs[i];
    const bool is_weight = i == 1 && !node.is("Add") && !node.is("Mul");
    if (b_.graph().is_constant(id)) return read_constant(node, id, is_weight);
    const auto [it, is_new] = pairs_.try_emplace(id, kNoValue);
    if (is_new) {
      const QuantizedValue p = b_.parameters(id, ranges_);
      const ValueId bytes = b_.add("QuantizeLinear", {id, p.scale, p.zero_point}, name(id) + "_QuantizeLinear");
      it->second = b_.add("DequantizeLinear", {bytes, p.scale, p.zero_point}, name(id) + "_DequantizeLinear");
    }
    return it->second;
  }

  ValueId read_constant(const Node& node, ValueId id, bool is_weight) {
    const QuantizedValue q = is_weight ? b_.weight(node) : b_.operand(id);
    const auto [it, is_new] = constants_.try_emplace(q.value, kNoValue);
    if (is_new) it->second = dequantize(q, name(id), is_weight ? channel_axis(b_.graph(), node) : std::nullopt);
    return it->second;
  }

  ValueId read_bias(const Node& gemm) {
    const QuantizedValue x = b_.parameters(gemm.input(0), ranges_);
    return dequantize(b_.bias(gemm, x, b_.weight(gemm)), name(gemm.input(2)), 0);
  }

  ValueId dequantize(const QuantizedValue& q, const std::string& base, std::optional<std::size_t> axis) {
    const ValueId out = b_.value(base + "_DequantizeLinear");
    Attributes attributes;
    if (axis && b_.graph().constant(q.scale).rank() == 1) {
      attributes.set("axis", static_cast<std::int64_t>(*axis));
    }
    std::vector<ValueId> inputs = {q.value, q.scale};
    if (q.zero_point != kNoValue) inputs.push_back(q.zero_point);
    b_.add("DequantizeLinear", std::move(inputs), {out}, base + "_DequantizeLinear", std::move(attributes));
    return out;
  }

  bool has_integer_reader(ValueId id) const {
    const auto& readers = uses_.readers(id);
    return std::any_of(readers.begin(), readers.end(), [&](int n) { return is_integer(static_cast<std::size_t>(n)); });
  }

  std::string name(ValueId id) const { return b_.graph().value(id).name; }

  FormBuilder& b_;
  const std::vector<Role>& roles_;
  const Ranges& ranges_;
  const std::vector<Node> nodes_;
  const Uses uses_;
  std::map<ValueId, ValueId> pairs_;      // float value -> what comes out of its pair
  std::map<ValueId, ValueId> constants_;  // bytes -> floats
};

}  // namespace

void write_qdq(FormBuilder& builder, const std::vector<Role>& roles, const Ranges& ranges) {
  Qdq(builder, roles, ranges).write();
}

}  // namespace sesame::engine
