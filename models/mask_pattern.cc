#include "models/mask_pattern.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>
#include <string_view>
#include <utility>

#include "engine/step.h"
#include "sesame/error.h"

namespace sesame::models {

using engine::DType;
using engine::kNoValue;
using engine::Matcher;
using engine::Node;
using engine::ProbedDim;
using engine::ProbedShape;
using engine::ShapeProbe;
using engine::Tensor;
using engine::ValueId;

namespace {

// What stays of the axes inside an Expand from `inner` to `outer`.
std::vector<std::size_t> before_expand(const std::vector<std::size_t>& axes, const ProbedShape& inner,
                                       const ProbedShape& outer) {
  std::vector<std::size_t> kept;
  std::size_t next = 0;
  const std::size_t shift = outer.size() - inner.size();
  for (std::size_t i = 0; i < outer.size(); ++i) {
    if (outer[i].is(1)) continue;
    if (i >= shift && !inner[i - shift].is(1)) kept.push_back(axes[next]);
    ++next;
  }
  return kept;
}

// The operand of an elementwise step that is not constant; nothing when there is none, or two.
std::optional<std::size_t> varying_operand(const Matcher& m, const Node& node) {
  constexpr std::array<std::string_view, 7> kSteps = {"Cast", "Not", "Sub", "Add", "Mul", "Equal", "Identity"};
  if (!node.domain.empty() || std::find(kSteps.begin(), kSteps.end(), node.op) == kSteps.end()) return std::nullopt;
  std::optional<std::size_t> varying;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const Tensor& constant = m.graph().constant(node.input(i));
    if (constant && constant.size() == 1 && constant.rank() == 0) continue;
    if (constant || varying) return std::nullopt;
    varying = i;
  }
  return varying;
}

// What the steps make of one number; nothing when one of them fails or the end is no bool.
std::optional<bool> run_steps(const Matcher& m, const std::vector<const Node*>& steps, DType type, float number) {
  Tensor t = Tensor::allocate(type, {});
  engine::visit(type, [&](auto sample) {
    using T = decltype(sample);
    if constexpr (std::is_same_v<T, engine::Half>) {
      *t.data<T>() = engine::to_half(number);
    } else {
      *t.data<T>() = static_cast<T>(number);
    }
  });
  try {
    for (const Node* node : steps) {
      std::vector<Tensor> inputs;
      for (ValueId id : node->inputs) inputs.push_back(m.graph().is_constant(id) ? m.graph().constant(id) : t);
      std::vector<Tensor> outputs(1);
      const auto step = engine::make_step(m.graph(), *node);
      engine::Inference io(inputs, outputs);
      step->infer(io);
      outputs[0] = Tensor::allocate(outputs[0].type(), outputs[0].shape());
      engine::run_alone(*step, inputs, outputs, kernels::table(kernels::default_isa()), engine::RunOptions{});
      t = outputs[0];
    }
  } catch (const Error&) {
    return std::nullopt;
  }
  if (t.type() != DType::boolean || t.size() != 1) return std::nullopt;
  return *t.data<bool>();
}

// Along this axis, and at most over the batch.
bool lies_along(const PlacedMask& mask, std::size_t axis) {
  return mask.axes == std::vector<std::size_t>{axis} || mask.axes == std::vector<std::size_t>{0, axis};
}

}  // namespace

ProbedShape squeezed(const ProbedShape& shape) {
  ProbedShape out;
  std::copy_if(shape.begin(), shape.end(), std::back_inserter(out), [](const ProbedDim& d) { return !d.is(1); });
  return out;
}

PlacedMask mask_source(const Matcher& m, const ShapeProbe& probe, ValueId id) {
  PlacedMask mask{id, {}};
  const auto& placed = probe.shape(id);
  if (!placed || placed->size() > 4) return mask;
  for (std::size_t i = 0; i < placed->size(); ++i) {
    if (!(*placed)[i].is(1)) mask.axes.push_back(i + 4 - placed->size());
  }
  while (const Node* node = m.uses().producer(mask.id)) {
    const ValueId source = node->input(0);
    const auto& inner = probe.shape(source);
    const auto& outer = probe.shape(mask.id);
    if (!inner || !outer) break;
    if (node->is("Expand") && inner->size() <= outer->size()) {
      mask.axes = before_expand(mask.axes, *inner, *outer);
    } else if (node->is("Cast")) {
      if (probe.type(source) != DType::boolean || probe.type(mask.id) != DType::boolean) break;
    } else {
      const bool relayout = node->is("Reshape") || node->is("Unsqueeze") || node->is("Squeeze");
      if (!relayout || squeezed(*inner) != squeezed(*outer)) break;
    }
    mask.id = source;
  }
  return mask;
}

bool is_key_mask(const ShapeProbe& probe, const PlacedMask& mask, ProbedDim batch, ProbedDim length) {
  const auto& shape = probe.shape(mask.id);
  if (!shape || shape->empty() || shape->back() != length) return false;
  const ProbedShape dims = squeezed(*shape);
  std::vector<std::size_t> axes;
  if (!length.is(1)) axes.push_back(3);
  if (dims == squeezed({length}) && mask.axes == axes) return true;
  if (!batch.is(1)) axes.insert(axes.begin(), 0);
  return dims == squeezed({batch, length}) && mask.axes == axes;
}

bool is_query_mask(const ShapeProbe& probe, const PlacedMask& mask, ProbedDim batch, ProbedDim length) {
  const auto& shape = probe.shape(mask.id);
  if (!shape || length.is(1)) return false;
  const ProbedShape dims = squeezed(*shape);
  if (dims == ProbedShape{length, length} && mask.axes == std::vector<std::size_t>{2, 3}) return true;
  return !batch.is(1) && dims == ProbedShape{batch, length, length} && mask.axes == std::vector<std::size_t>{0, 2, 3};
}

ValueId add_query_mask(engine::Graph& graph, ValueId mask, const Mask& meaning, std::vector<Node>& nodes) {
  if (meaning.kind == MaskKind::additive) return mask;
  const std::string name = graph.value(mask).name + "/scores";
  // Added to a score, the lowest number leaves nothing of it, as if it had replaced it.
  const float fill = std::isinf(meaning.fill) ? meaning.fill : std::numeric_limits<float>::lowest();
  const ValueId dropped = graph.add_constant(name + "/fill", Tensor::scalar(fill));
  const ValueId kept = graph.add_constant(name + "/kept", Tensor::scalar(0.0f));
  Node node;
  node.op = "Where";
  node.version = 9;
  node.name = name;
  node.inputs = {mask, dropped, kept};
  if (meaning.kind == MaskKind::keep_if_true) std::swap(node.inputs[1], node.inputs[2]);
  node.outputs = {graph.add_value(name)};
  nodes.push_back(node);
  return node.outputs[0];
}

std::optional<PairMask> match_pair_mask(const Matcher& m, const ShapeProbe& probe, ValueId id, bool keeps) {
  constexpr std::size_t kMostSteps = 16;
  PairMask mask;
  const Node* node = m.uses().producer(id);
  for (; node != nullptr && mask.steps.size() < kMostSteps; node = m.uses().producer(id)) {
    const auto varying = varying_operand(m, *node);
    if (!varying) break;
    mask.steps.insert(mask.steps.begin(), node);
    id = node->input(*varying);
  }
  if (node == nullptr || node->inputs.size() != 2 || !(node->is("Mul") || node->is("And"))) return std::nullopt;
  PlacedMask sides[2] = {mask_source(m, probe, node->input(0)), mask_source(m, probe, node->input(1))};
  const std::size_t keys = lies_along(sides[0], 3) ? 0 : 1;
  const bool pairs = sides[0].id == sides[1].id && lies_along(sides[keys], 3) && lies_along(sides[1 - keys], 2) &&
                     probe.rank(node->input(keys)) == 4;
  if (!pairs) return std::nullopt;
  const DType type = probe.type(id);
  const auto of_0 = run_steps(m, mask.steps, type, 0);
  const auto of_1 = run_steps(m, mask.steps, type, 1);
  if (!of_0 || !of_1 || *of_0 == keeps || *of_1 != keeps) return std::nullopt;
  mask.keys = node->input(keys);
  return mask;
}

ValueId add_key_mask(engine::Graph& graph, const PairMask& mask, std::vector<Node>& nodes) {
  ValueId last = mask.keys;
  for (const Node* step : mask.steps) {
    Node node = *step;
    for (ValueId& id : node.inputs) {
      if (!graph.is_constant(id)) id = last;
    }
    const std::string name = graph.value(step->output(0)).name;
    node.name = step->name + "/keys";
    last = graph.add_value(name + "/keys");
    node.outputs = {last};
    nodes.push_back(std::move(node));
  }
  return last;
}

}  // namespace sesame::models
