#include "engine/normal_forms/matcher.h"

#include <cmath>

namespace sesame::engine {

const Node* Matcher::made_by(ValueId id, std::string_view op, std::string_view domain) const {
  if (id == kNoValue) return nullptr;
  const Node* node = uses_.producer(id);
  return node != nullptr && node->is(op, domain) ? node : nullptr;
}

std::optional<float> Matcher::scalar(ValueId id) const {
  const Tensor& t = graph_.constant(id);
  if (!t || t.size() != 1 || t.rank() > 1) return std::nullopt;
  if (t.type() == DType::f32) return *t.data<float>();
  if (t.type() == DType::f64) return static_cast<float>(*t.data<double>());
  if (t.type() == DType::f16) return to_float(*t.data<Half>());
  return std::nullopt;
}

bool Matcher::is_scalar(ValueId id, float value, float relative_tolerance) const {
  const std::optional<float> found = scalar(id);
  return found && std::fabs(*found - value) <= relative_tolerance * std::fabs(value);
}

std::optional<Matcher::Split> Matcher::constant_operand(const Node& node) const {
  if (node.inputs.size() != 2) return std::nullopt;
  for (std::size_t i = 0; i < 2; ++i) {
    if (graph_.is_constant(node.inputs[i])) return Split{node.inputs[i], node.inputs[1 - i]};
  }
  return std::nullopt;
}

ValueId Matcher::other_operand(const Node& node, ValueId id) {
  if (node.inputs.size() != 2) return kNoValue;
  if (node.inputs[0] == id) return node.inputs[1];
  return node.inputs[1] == id ? node.inputs[0] : kNoValue;
}

bool Matcher::is_vector(ValueId id, std::int64_t n) const {
  const Tensor& t = graph_.constant(id);
  return t && t.type() == DType::f32 && t.rank() == 1 && (n == 0 || t.dim(0) == n);
}

}  // namespace sesame::engine
