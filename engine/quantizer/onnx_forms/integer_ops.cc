// DynamicQuantizeLinear and MatMulInteger.
#include <map>
#include <string>
#include <vector>

#include "engine/onnx_types.h"
#include "engine/quantizer/onnx_forms/form_builder.h"
#include "engine/quantizer/onnx_forms/targets.h"

namespace sesame::engine {

namespace {

class IntegerOps {
 public:
  explicit IntegerOps(FormBuilder& builder) : b_(builder) {}

  // y = float(x W, as integers) * (scale of x * scales of W) + bias
  void matmul(const Node& node) {
    const QuantizedValue x = activation(node.input(0));
    const QuantizedValue w = b_.matmul_weight(node);
    const ValueId out = node.outputs[0];
    const std::string name = b_.graph().value(out).name;
    const ValueId sums = b_.add("MatMulInteger", {x.value, w.value, x.zero_point, w.zero_point}, name + "_sums");
    const ValueId scales = b_.add("Mul", {x.scale, w.scale}, name + "_scales");
    const ValueId reals = b_.value(name + "_reals");
    Attributes to_float;
    to_float.set("to", std::int64_t{onnx_number(DType::f32)});
    b_.add("Cast", {sums}, {reals}, name + "_Cast", to_float);
    if (!node.is("Gemm") || node.input(2) == kNoValue) {
      return b_.add("Mul", {reals, scales}, {out}, name + "_Mul");
    }
    const ValueId product = b_.add("Mul", {reals, scales}, name + "_product");
    b_.add("Add", {product, node.input(2)}, {out}, name + "_Add");
  }

 private:
  QuantizedValue activation(ValueId id) {
    const auto [it, is_new] = activations_.try_emplace(id);
    if (!is_new) return it->second;
    const std::string name = b_.graph().value(id).name;
    it->second = {b_.value(name + "_quantized"), b_.value(name + "_scale"), b_.value(name + "_zero_point")};
    b_.add("DynamicQuantizeLinear", {id}, {it->second.value, it->second.scale, it->second.zero_point},
           name + "_DynamicQuantizeLinear");
    return it->second;
  }

  FormBuilder& b_;
  std::map<ValueId, QuantizedValue> activations_;
};

}  // namespace

void write_integer_ops(FormBuilder& builder, const std::vector<Role>& roles) {
  IntegerOps form(builder);
  const std::vector<Node> nodes = builder.graph().nodes;
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    if (roles[n] == Role::matmul) {
      form.matmul(nodes[n]);
    } else if (roles[n] == Role::gather) {
      builder.gather(nodes[n]);
    } else {
      builder.keep(nodes[n]);
    }
  }
}

}  // namespace sesame::engine
