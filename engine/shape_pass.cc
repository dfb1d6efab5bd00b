#include "engine/shape_pass.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "engine/binding.h"
#include "engine/linear.h"
#include "engine/steps/linear_step.h"
#include "engine/steps/quantized_linear_step.h"
#include "sesame/error.h"

namespace sesame::engine {

namespace {

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

std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }

}  // namespace

std::vector<std::shared_ptr<const Step>> shape_steps(const Graph& graph) {
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

namespace {

// The size that each symbolic dimension gets, see described_inputs.
class SymbolSizes {
 public:
  SymbolSizes(const std::vector<std::int64_t>& sizes, const std::vector<std::int64_t>& others)
      : sizes_(sizes), others_(others) {}

  std::int64_t at(std::size_t axis, const std::string& name) {
    const std::int64_t by_axis = sizes_[std::min(axis, sizes_.size() - 1)];
    if (name.empty()) return by_axis;
    const bool is_first = named_axes_.insert(axis).second;
    const bool is_other = !is_first && !of_name_.contains(name) && next_ < others_.size();
    return of_name_.try_emplace(name, is_other ? others_[next_++] : by_axis).first->second;
  }

 private:
  const std::vector<std::int64_t>& sizes_;
  const std::vector<std::int64_t>& others_;
  std::map<std::string, std::int64_t> of_name_;
  std::set<std::size_t> named_axes_;
  std::size_t next_ = 0;
};

}  // namespace

std::vector<Tensor> described_inputs(const Graph& graph, const std::vector<std::int64_t>& sizes,
                                     const std::vector<std::int64_t>& others) {
  std::vector<Tensor> inputs;
  SymbolSizes symbols(sizes, others);
  for (ValueId id : graph.inputs) {
    const Value& value = graph.value(id);
    const auto& names = value.declared_dim_names;
    if (!value.declared_type || !value.declared_shape) {
      inputs.emplace_back();
      continue;
    }
    Shape shape = *value.declared_shape;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
      if (shape[axis] < 0) shape[axis] = symbols.at(axis, axis < names.size() ? names[axis] : std::string());
    }
    inputs.emplace_back(*value.declared_type, std::move(shape));
  }
  return inputs;
}

ShapePass::ShapePass(const Graph& graph, const std::vector<std::shared_ptr<const Step>>& steps,
                     const std::vector<Tensor>& inputs, const ShapePassLimits& limits)
    : graph_(graph), steps_(steps), limits_(limits), values_(graph.value_count()) {
  for (std::size_t v = 0; v < values_.size(); ++v) values_[v] = graph.value(static_cast<ValueId>(v)).constant;
  for (std::size_t i = 0; i < inputs.size(); ++i) values_[at(graph.inputs[i])] = inputs[i];
}

void ShapePass::run_all() {
  for (std::size_t n = 0; n < graph_.nodes.size(); ++n) infer(n);
}

// In the graph's order.
std::vector<int> ShapePass::nodes_behind(ValueId id) const {
  std::vector<bool> wanted(values_.size());
  wanted[at(id)] = true;
  std::vector<int> behind;
  for (std::size_t n = graph_.nodes.size(); n-- > 0;) {
    const Node& node = graph_.nodes[n];
    const auto is_wanted = [&](ValueId out) { return out != kNoValue && wanted[at(out)]; };
    if (!std::any_of(node.outputs.begin(), node.outputs.end(), is_wanted)) continue;
    behind.push_back(static_cast<int>(n));
    for (ValueId in : node.inputs) {
      if (in != kNoValue) wanted[at(in)] = true;
    }
  }
  std::reverse(behind.begin(), behind.end());
  return behind;
}

Tensor ShapePass::run_for(ValueId id) {
  const std::vector<int> nodes = nodes_behind(id);
  std::vector<int> reads(values_.size());
  for (int n : nodes) {
    for (ValueId in : graph_.nodes[static_cast<std::size_t>(n)].inputs) {
      if (in != kNoValue) ++reads[at(in)];
    }
  }
  for (int n : nodes) {
    infer(static_cast<std::size_t>(n));
    for (ValueId in : graph_.nodes[static_cast<std::size_t>(n)].inputs) {
      if (in == kNoValue || --reads[at(in)] > 0 || in == id || graph_.is_constant(in)) continue;
      if (values_[at(in)].has_data()) live_bytes_ -= values_[at(in)].bytes();
      values_[at(in)] = Tensor();
    }
  }
  return values_[at(id)].has_data() ? values_[at(id)] : Tensor();
}

void ShapePass::infer(std::size_t n) {
  const Node& node = graph_.nodes[n];
  if (!steps_[n]) return;
  std::vector<Tensor> inputs = tensors_of(node.inputs, values_);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i] && node.inputs[i] != kNoValue) return;  // unknown in, unknown out
  }
  std::vector<Tensor> outputs(node.outputs.size());
  try {
    Inference io(inputs, outputs);
    steps_[n]->infer(io);
    if (is_computable(node, inputs, outputs)) {
      for (Tensor& t : outputs) {
        if (!t) continue;
        t = Tensor::allocate(t.type(), t.shape());
        live_bytes_ += t.bytes();
      }
      run_alone(*steps_[n], inputs, outputs, kernels::table(kernels::default_isa()), RunOptions{});
    }
  } catch (const Error&) {
    return;  // the plan will say so, with the user's own sizes
  } catch (const NeedsValue&) {
    return;
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (node.outputs[i] != kNoValue) values_[at(node.outputs[i])] = outputs[i];
  }
}

bool ShapePass::is_computable(const Node& node, const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs) {
  if (node.domain == kSesame) return false;
  const auto small = [&](const Tensor& t) { return t.size() <= limits_.elements; };
  const auto small_and_known = [&](const Tensor& t) { return !t || (t.has_data() && small(t)); };
  const bool known = node.is("Shape") || node.is("Size") || std::all_of(inputs.begin(), inputs.end(), small_and_known);
  if (!known || !std::all_of(outputs.begin(), outputs.end(), small)) return false;
  std::size_t bytes = live_bytes_;
  for (const Tensor& t : outputs) {
    limits_.total_elements -= t.size();
    bytes += t.bytes();
  }
  return limits_.total_elements >= 0 && bytes <= limits_.live_bytes;
}

}  // namespace sesame::engine
