#include "models/row_graph.h"

#include <algorithm>

#include "engine/linear_scheme.h"
#include "engine/quantized_node.h"
#include "models/layer_pattern.h"

namespace sesame::models {

using engine::DType;
using engine::kMicrosoft;
using engine::kNoValue;
using engine::kSesame;
using engine::Matcher;
using engine::Node;
using engine::ProbedDim;
using engine::ShapeProbe;
using engine::Tensor;
using engine::ValueId;

RowGraph::RowGraph(const Matcher& m, const ShapeProbe& probe, ProbedDim batch, ProbedDim length)
    : m_(m), probe_(probe), batch_(batch), length_(length) {}

std::size_t RowGraph::broadcast_width(ValueId id) const {
  const auto& shape = probe_.shape(id);
  if (!shape || shape->empty() || shape->size() > 3 || !(is_float(id) || is_bytes(id))) return 0;
  const auto along = [&](std::size_t from_last, ProbedDim dim) {
    if (shape->size() <= from_last) return true;
    const ProbedDim& have = (*shape)[shape->size() - 1 - from_last];
    return have.is(1) || have == dim;
  };
  const ProbedDim& last = shape->back();
  return last.is_constant() && last.first > 0 && along(1, length_) && along(2, batch_)
             ? static_cast<std::size_t>(last.first)
             : 0;
}

std::size_t RowGraph::width(ValueId id) const {
  const auto& shape = probe_.shape(id);
  if (!shape || shape->size() != 3 || (*shape)[0] != batch_ || (*shape)[1] != length_) return 0;
  return broadcast_width(id);
}

// One number for all features, or one for each.
bool RowGraph::is_row_constant(ValueId id, std::size_t width) const {
  const Tensor& t = m_.graph().constant(id);
  if (!t || t.type() != DType::f32 || t.rank() > 3) return false;
  return t.size() == 1 || (t.size() == static_cast<std::int64_t>(width) && t.shape().back() == t.size());
}

std::optional<std::vector<ValueId>> RowGraph::operands_of_pair(const Node& node, std::size_t width) const {
  if (node.inputs.size() != 2) return std::nullopt;
  std::vector<ValueId> rows;
  for (ValueId id : node.inputs) {
    if (m_.graph().is_constant(id)) {
      if (!is_row_constant(id, width)) return std::nullopt;
    } else if (is_float(id) && (broadcast_width(id) == width || broadcast_width(id) == 1)) {
      rows.push_back(id);
    } else {
      return std::nullopt;
    }
  }
  return rows.empty() ? std::nullopt : std::optional(rows);
}

bool RowGraph::is_bytes(ValueId id) const {
  return probe_.shape(id) && (probe_.type(id) == DType::u8 || probe_.type(id) == DType::i8);
}

// Of bytes, each with its scale and zero point, that are all constants.
std::optional<std::vector<ValueId>> RowGraph::operands_of_bytes(const Node& node, std::size_t width) const {
  const auto is_known = [&](std::size_t i) {
    return node.input(i) == kNoValue || m_.graph().is_constant(node.input(i));
  };
  const auto is_scale = [&](std::size_t i) { return engine::is_tensor_scale(m_.graph(), node.input(i)); };
  if (!is_scale(1) || !is_known(2) || !is_scale(4) || !is_known(5) || !is_scale(6) || !is_known(7)) return std::nullopt;
  std::vector<ValueId> rows;
  for (ValueId id : {node.input(0), node.input(3)}) {
    const Tensor& t = m_.graph().constant(id);
    const bool row = t && t.rank() <= 3 && t.size() > 0 &&
                     (t.size() == 1 || (t.size() == static_cast<std::int64_t>(width) && t.shape().back() == t.size()));
    if (t && !row) return std::nullopt;
    if (!t && broadcast_width(id) != width && broadcast_width(id) != 1) return std::nullopt;
    if (!t) rows.push_back(id);
  }
  return rows.empty() ? std::nullopt : std::optional(rows);
}

// Over the last axis, which stays as one number.
bool RowGraph::is_mean(const Node& node) const {
  auto axes = node.attributes.maybe_integers("axes");
  const Tensor& given = m_.graph().constant(node.input(1));
  if (given && given.type() == DType::i64) axes = engine::to_int64s(given);
  return axes && axes->size() == 1 && is_last_axis((*axes)[0]) && node.attributes.integer("keepdims", 1) != 0;
}

const Node* RowGraph::dynamic_grid(ValueId scale) const {
  const Node* node = m_.made_by(scale, "DynamicQuantizeLinear");
  return node != nullptr && node->output(1) == scale && operands(*node) ? node : nullptr;
}

// Whether the scale and zero point of what a QuantizedLinear reads are known, or found from rows.
bool RowGraph::has_grid(const Node& linear) const {
  if (m_.graph().is_constant(linear.input(1))) {
    return linear.input(2) == kNoValue || m_.graph().is_constant(linear.input(2));
  }
  const Node* dynamic = dynamic_grid(linear.input(1));
  if (dynamic == nullptr || linear.input(2) != dynamic->output(2)) return false;
  const Node* split = m_.made_by(linear.input(0), "Split");  // of the groups of a convolution
  return (split != nullptr ? split->input(0) : linear.input(0)) == dynamic->output(0);
}

std::optional<std::size_t> RowGraph::slice_begin(const Node& slice) const {
  const auto whole = [&](std::size_t input, const char* attribute) {
    if (const auto values = slice.attributes.maybe_integers(attribute)) return *values;
    const Tensor& t = m_.graph().constant(slice.input(input));
    const bool integers = t && (t.type() == DType::i64 || t.type() == DType::i32);
    return integers ? engine::to_int64s(t) : std::vector<std::int64_t>{};
  };
  const auto begins = whole(1, "starts"), axes = whole(3, "axes"), steps = whole(4, "steps");
  const bool unit = slice.input(4) == kNoValue || steps == std::vector<std::int64_t>{1};
  if (begins.size() != 1 || axes.size() != 1 || !is_last_axis(axes[0]) || !unit) return std::nullopt;
  const auto all = static_cast<std::int64_t>(width(slice.input(0)));
  const std::int64_t begin = begins[0] < 0 ? begins[0] + all : begins[0];
  return begin >= 0 && begin < all ? std::optional(static_cast<std::size_t>(begin)) : std::nullopt;
}

std::optional<std::vector<ValueId>> RowGraph::operands(const Node& node) const {
  const std::size_t width = this->width(node.output(0));
  if (width == 0) return std::nullopt;
  const bool has_rows = this->width(node.input(0)) != 0;
  const std::vector<ValueId> first = {node.input(0)};
  // A grid that all rows share is no row's own.
  if (node.is("Linear", kSesame) && engine::linear_scheme(node).rows == engine::RowGrid::per_tensor)
    return std::nullopt;
  if (node.is("Linear", kSesame) || node.is("Relu") || node.is("Tanh") || node.is("Erf") || node.is("Sqrt") ||
      node.is("Reciprocal") || node.is("Sigmoid"))
    return has_rows ? std::optional(first) : std::nullopt;
  if (engine::is_per_tensor_quantize(m_.graph(), node) || engine::is_per_tensor_dequantize(m_.graph(), node) ||
      node.is("DynamicQuantizeLinear"))
    return has_rows ? std::optional(first) : std::nullopt;
  if (node.is("QuantizedLinear", kSesame)) return has_rows && has_grid(node) ? std::optional(first) : std::nullopt;
  if (node.is("QLinearAdd", kMicrosoft) || node.is("QLinearMul", kMicrosoft)) return operands_of_bytes(node, width);
  if (node.is("ReduceMean")) return has_rows && is_mean(node) ? std::optional(first) : std::nullopt;
  if (node.is("Pow")) {
    const bool power = m_.is_scalar(node.input(1), 2) || m_.is_scalar(node.input(1), 3);
    return has_rows && power ? std::optional(first) : std::nullopt;
  }
  if (node.is("Gelu")) {
    const std::string how = node.attributes.text("approximate", "none");
    return has_rows && (how == "none" || how == "tanh") ? std::optional(first) : std::nullopt;
  }
  if (node.is("LayerNormalization") || node.is("LayerNormalizationSteps", kSesame)) {
    return has_rows && is_affine_norm(m_, probe_, node) ? std::optional(first) : std::nullopt;
  }
  if (node.is("Add") || node.is("Mul") || node.is("Sub") || node.is("Div")) return operands_of_pair(node, width);
  if (node.is("Slice")) return has_rows && slice_begin(node) ? std::optional(first) : std::nullopt;
  if (!is_last_axis(node.attributes.integer("axis", node.is("Split") ? 0 : 1))) return std::nullopt;
  const auto is_row = [&](ValueId id) { return this->width(id) != 0; };
  if (node.is("Split")) {
    const bool rows = has_rows && std::all_of(node.outputs.begin(), node.outputs.end(), is_row);
    return rows ? std::optional(first) : std::nullopt;
  }
  const bool concat = node.is("Concat") && std::all_of(node.inputs.begin(), node.inputs.end(), is_row);
  return concat ? std::optional(node.inputs) : std::nullopt;
}

template <class Fn>
void RowGraph::walk_back(ValueId id, const std::set<ValueId>& known, Fn&& fn) const {
  std::set<ValueId> seen;
  std::vector<ValueId> open = {id};
  while (!open.empty()) {
    const ValueId next = open.back();
    open.pop_back();
    if (!seen.insert(next).second) continue;
    const Node* node = known.contains(next) ? nullptr : m_.uses().producer(next);
    const auto rows = node != nullptr ? operands(*node) : std::nullopt;
    fn(next, rows ? node : nullptr);
    if (rows) open.insert(open.end(), rows->begin(), rows->end());
  }
}

std::set<ValueId> RowGraph::sources(ValueId id, const std::set<ValueId>& known) const {
  std::set<ValueId> found;
  walk_back(id, known, [&](ValueId value, const Node* node) {
    if (node == nullptr) found.insert(value);
  });
  return found;
}

bool RowGraph::is_projected(ValueId id, const std::set<ValueId>& known) const {
  bool found = false;
  walk_back(id, known, [&](ValueId, const Node* node) {
    found |= node != nullptr && (node->is("Linear", kSesame) || node->is("QuantizedLinear", kSesame));
  });
  return found;
}

std::set<ValueId> RowGraph::behind(const std::set<ValueId>& values) const {
  std::set<ValueId> found;
  for (const Node& node : m_.graph().nodes) {
    const bool reads = std::any_of(node.inputs.begin(), node.inputs.end(),
                                   [&](ValueId id) { return values.contains(id) || found.contains(id); });
    if (!reads) continue;
    for (ValueId id : node.outputs) {
      if (id != kNoValue) found.insert(id);
    }
  }
  return found;
}

}  // namespace sesame::models
