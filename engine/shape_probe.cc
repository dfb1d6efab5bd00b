#include "engine/shape_probe.h"

#include <algorithm>

#include "engine/binding.h"
#include "engine/linear.h"
#include "engine/step.h"
#include "engine/steps/linear_step.h"
#include "engine/steps/quantized_linear_step.h"
#include "sesame/error.h"

namespace sesame::engine {

namespace {

// Distinct from each other and from sizes that models have; small, since position tables may be.
constexpr ProbedDim kSymbols[] = {{2, 3}, {5, 7}, {4, 6}, {8, 9}};

// Values are computed while probing when they are small, as all that shapes are made of is, and up to so many elements
// in all: a small file can claim any number of large ones.
constexpr std::int64_t kMaxElements = 1 << 16;
constexpr std::int64_t kMaxTotal = 1 << 22;

std::vector<Tensor> input_tensors(const Graph& graph, bool second) {
  std::vector<Tensor> inputs;
  for (ValueId id : graph.inputs) {
    const Value& value = graph.value(id);
    if (!value.declared_type || !value.declared_shape) {
      inputs.emplace_back();
      continue;
    }
    Shape shape = *value.declared_shape;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
      const ProbedDim symbol = ShapeProbe::symbol(axis);
      if (shape[axis] < 0) shape[axis] = second ? symbol.second : symbol.first;
    }
    inputs.emplace_back(*value.declared_type, std::move(shape));
  }
  return inputs;
}

// One inference over the graph at one set of sizes.
class Pass {
 public:
  Pass(const Graph& graph, const std::vector<std::shared_ptr<const Step>>& steps, bool second)
      : values(graph.value_count()) {
    const std::vector<Tensor> inputs = input_tensors(graph, second);
    for (std::size_t v = 0; v < values.size(); ++v) values[v] = graph.value(static_cast<ValueId>(v)).constant;
    for (std::size_t i = 0; i < inputs.size(); ++i) values[static_cast<std::size_t>(graph.inputs[i])] = inputs[i];
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      if (steps[n]) infer(graph.nodes[n], *steps[n]);
    }
  }

  std::vector<Tensor> values;  // undefined where unknown

 private:
  void infer(const Node& node, const Step& step) {
    const std::vector<Tensor> inputs = tensors_of(node.inputs, values);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!inputs[i] && node.inputs[i] != kNoValue) return;  // unknown in, unknown out
    }
    std::vector<Tensor> outputs(node.outputs.size());
    try {
      Inference io(inputs, outputs);
      step.infer(io);
      if (is_computable(node, inputs, outputs)) compute(step, inputs, outputs);
    } catch (const Error&) {
      return;  // the plan will say so, with the user's own sizes
    } catch (const NeedsValue&) {
      return;
    }
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (node.outputs[i] != kNoValue) values[static_cast<std::size_t>(node.outputs[i])] = outputs[i];
    }
  }

  bool is_computable(const Node& node, const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs) {
    if (node.domain == kSesame) return false;
    const auto small = [](const Tensor& t) { return t.size() <= kMaxElements; };
    const auto small_and_known = [&](const Tensor& t) { return !t || (t.has_data() && small(t)); };
    const bool known =
        node.is("Shape") || node.is("Size") || std::all_of(inputs.begin(), inputs.end(), small_and_known);
    if (!known || !std::all_of(outputs.begin(), outputs.end(), small)) return false;
    for (const Tensor& t : outputs) elements_left_ -= t.size();
    return elements_left_ >= 0;
  }

  static void compute(const Step& step, const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs) {
    for (Tensor& t : outputs) {
      if (t) t = Tensor::allocate(t.type(), t.shape());
    }
    run_alone(step, inputs, outputs, kernels::table(kernels::default_isa()), RunOptions{});
  }

  std::int64_t elements_left_ = kMaxTotal;
};

// A Linear whose weights are not packed yet: enough of a step to ask for shapes.
class LinearShape final : public Step {
 public:
  explicit LinearShape(const LinearWeights& w) : in_(w.in_features()), out_(w.out_features()) {}
  void infer(Inference& io) const override { infer_linear(io, in_, out_); }
  std::size_t items(const Execution&, std::size_t) const override { return 0; }
  void run(const Execution&, std::size_t, std::size_t, int) const override {}

 private:
  std::size_t in_;
  std::size_t out_;
};

// The same of a QuantizedLinear.
class QuantizedLinearShape final : public Step {
 public:
  explicit QuantizedLinearShape(const QuantizedLinearParts& p)
      : in_(p.in_features()), out_(p.out_features()), output_(p.output_type()) {}
  void infer(Inference& io) const override { infer_quantized_linear(io, in_, out_, output_); }
  std::size_t items(const Execution&, std::size_t) const override { return 0; }
  void run(const Execution&, std::size_t, std::size_t, int) const override {}

 private:
  std::size_t in_;
  std::size_t out_;
  DType output_;
};

std::shared_ptr<const Step> step_of(const Graph& graph, const Node& node) {
  if (node.step) return node.step;
  if (node.is("Linear", kSesame)) return std::make_shared<LinearShape>(linear_weights(graph, node));
  if (node.is("QuantizedLinear", kSesame)) {
    return std::make_shared<QuantizedLinearShape>(quantized_linear_parts(graph, node));
  }
  return make_step(graph, node);
}

std::vector<std::shared_ptr<const Step>> make_steps(const Graph& graph) {
  std::vector<std::shared_ptr<const Step>> steps;
  for (const Node& node : graph.nodes) {
    try {
      steps.push_back(step_of(graph, node));
    } catch (const Error&) {
      steps.push_back(nullptr);
    }
  }
  return steps;
}

}  // namespace

ProbedDim ShapeProbe::symbol(std::size_t axis) { return kSymbols[std::min(axis, std::size(kSymbols) - 1)]; }

ShapeProbe::ShapeProbe(const Graph& graph)
    : shapes_(graph.value_count()), types_(graph.value_count(), DType::f32), values_(graph.value_count()) {
  const auto steps = make_steps(graph);
  const Pass first(graph, steps, false);
  const Pass second(graph, steps, true);
  for (std::size_t v = 0; v < shapes_.size(); ++v) {
    const Tensor& a = first.values[v];
    const Tensor& b = second.values[v];
    if (!a || !b || a.rank() != b.rank()) continue;
    ProbedShape shape;
    for (std::size_t i = 0; i < a.rank(); ++i) shape.push_back({a.dim(i), b.dim(i)});
    shapes_[v] = std::move(shape);
    types_[v] = b.type();
    if (a.has_data() && b.has_data()) values_[v] = b;
  }
}

}  // namespace sesame::engine
