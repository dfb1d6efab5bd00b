#include "engine/binding.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/memory.h"
#include "kernels/pack.h"
#include "sesame/error.h"

namespace sesame::engine {

namespace {

// Shape and Size read no data, so their answers are known as soon as shapes are.
bool reads_shapes_only(const Node& node) { return node.is("Shape") || node.is("Size"); }

bool all_known(const Node& node, std::span<const Tensor> inputs) {
  return reads_shapes_only(node) ||
         std::all_of(inputs.begin(), inputs.end(), [](const Tensor& t) { return !t || t.has_data(); });
}

}  // namespace

void settle_outputs(const Node& node, std::span<Tensor> outputs) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (node.outputs[i] != kNoValue && !outputs[i]) {
      throw Error("expected at most " + std::to_string(i) + " outputs, found " + std::to_string(outputs.size()));
    }
    if (node.outputs[i] == kNoValue && i > 0) outputs[i] = Tensor();
  }
}

std::vector<Tensor> tensors_of(const std::vector<ValueId>& ids, std::span<const Tensor> values) {
  std::vector<Tensor> tensors(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] != kNoValue) tensors[i] = values[static_cast<std::size_t>(ids[i])];
  }
  return tensors;
}

void require_within(std::size_t bytes, std::size_t limit, const std::string& what) {
  if (bytes > limit) {
    throw Error(what + " needs " + std::to_string(bytes >> 20) + " MiB, more than the limit of " +
                std::to_string(limit >> 20) + " MiB");
  }
}

Binding::Binding(const Plan& plan, std::span<const Tensor> inputs, const RunnerOptions& options)
    : plan_(plan),
      options_(options),
      run_options_{options.threads, options.padded_positions},
      values_(plan.graph().value_count()),
      offsets_(values_.size(), kNowhere) {
  const Graph& graph = plan.graph();
  for (std::size_t v = 0; v < values_.size(); ++v) values_[v] = graph.value(static_cast<ValueId>(v)).constant;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    inputs_.emplace_back(inputs[i].type(), inputs[i].shape());
    values_[static_cast<std::size_t>(graph.inputs[i])] = inputs_.back();
  }
  infer_nodes();
  for (std::size_t s = 0; s < steps_.size(); ++s) {
    for (std::size_t p = 0; p < plan.step(steps_[s].node).phases(); ++p) phases_.push_back({s, p});
  }
  lay_out_arena();
}

bool Binding::fits(std::span<const Tensor> inputs) const {
  return std::equal(inputs.begin(), inputs.end(), inputs_.begin(), inputs_.end(),
                    [](const Tensor& a, const Tensor& b) { return a.type() == b.type() && a.shape() == b.shape(); });
}

void Binding::infer_nodes() {
  const std::size_t nodes = plan_.graph().nodes.size();
  first_dynamic_ = nodes;
  for (std::size_t n = 0; n < nodes; ++n) {
    if (!infer_node(n)) {
      first_dynamic_ = n;
      return;
    }
  }
}

bool Binding::infer_node(std::size_t n) {
  const Node& node = plan_.graph().nodes[n];
  BoundStep bound{n, tensors_of(node.inputs, values_), std::vector<Tensor>(node.outputs.size())};
  const bool needs_value = with_node(plan_.graph(), node, [&] {
    try {
      Inference io(bound.inputs, bound.outputs);
      plan_.step(n).infer(io);
      settle_outputs(node, bound.outputs);
      return false;
    } catch (const NeedsValue&) {
      return true;
    }
  });
  if (needs_value) return false;
  for (const Tensor& t : bound.outputs) require_within(t.bytes(), options_.max_bytes, describe(plan_.graph(), node));
  const bool now = all_known(node, bound.inputs);
  if (now) compute_now(n, bound.inputs, bound.outputs);
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] != kNoValue) values_[static_cast<std::size_t>(node.outputs[i])] = bound.outputs[i];
  }
  if (!now) steps_.push_back(std::move(bound));
  return true;
}

void Binding::compute_now(std::size_t n, std::span<const Tensor> inputs, std::span<Tensor> outputs) {
  for (Tensor& t : outputs) {
    if (!t) continue;
    known_bytes_ += t.bytes();
    require_within(known_bytes_, options_.max_bytes, "what the graph computes of shapes and constants");
    t = Tensor::allocate(t.type(), t.shape());
  }
  const Node& node = plan_.graph().nodes[n];
  with_node(plan_.graph(), node, [&] {
    run_alone(plan_.step(n), inputs, outputs, kernels::table(options_.isa), RunOptions{1, true});
  });
}

// One for every value that is neither known nor dynamic, from the step that makes it to the last that reads it.
std::vector<Buffer> Binding::value_buffers() {
  const Graph& graph = plan_.graph();
  const std::size_t end = steps_.size();
  std::vector<Buffer> buffers;
  std::vector<std::size_t> buffer_of(values_.size(), kNowhere);
  const auto add = [&](ValueId id, std::size_t step) {
    if (id == kNoValue) return;
    const auto v = static_cast<std::size_t>(id);
    if (!values_[v] || values_[v].has_data() || buffer_of[v] != kNowhere) return;
    buffer_of[v] = buffers.size();
    offsets_[v] = buffers.size();  // until the layout is known
    buffers.push_back({std::max<std::size_t>(values_[v].bytes(), 1), step, step});
  };
  const auto extend = [&](ValueId id, std::size_t step) {
    if (id != kNoValue && buffer_of[static_cast<std::size_t>(id)] != kNowhere) {
      buffers[buffer_of[static_cast<std::size_t>(id)]].last = step;
    }
  };

  for (ValueId id : graph.inputs) add(id, 0);
  for (std::size_t s = 0; s < steps_.size(); ++s) {
    const Node& node = graph.nodes[steps_[s].node];
    for (ValueId id : node.outputs) add(id, s);
    for (ValueId id : node.inputs) extend(id, s);
  }
  // What the caller or a dynamic node reads stays until the end.
  for (ValueId id : graph.outputs) extend(id, end);
  for (std::size_t n = first_dynamic_; n < graph.nodes.size(); ++n) {
    for (ValueId id : graph.nodes[n].inputs) extend(id, end);
  }
  return buffers;
}

std::vector<Buffer> Binding::nameless_buffers() {
  std::vector<Buffer> buffers;
  for (std::size_t s = 0; s < steps_.size(); ++s) {
    const Node& node = plan_.graph().nodes[steps_[s].node];
    if (node.output(0) != kNoValue || node.outputs.empty() || !steps_[s].outputs[0]) continue;
    nameless_.push_back({s, 0});
    buffers.push_back({std::max<std::size_t>(steps_[s].outputs[0].bytes(), 1), s, s});
  }
  return buffers;
}

// One a step.
std::vector<Buffer> Binding::scratch_buffers() {
  std::vector<Buffer> buffers;
  for (std::size_t s = 0; s < steps_.size(); ++s) {
    const Step& step = plan_.step(steps_[s].node);
    buffers.push_back({step.scratch_bytes(steps_[s].inputs, steps_[s].outputs), s, s});
    worker_scratch_bytes_ =
        std::max(worker_scratch_bytes_, step.worker_scratch_bytes(steps_[s].inputs, steps_[s].outputs));
  }
  return buffers;
}

void Binding::lay_out_arena() {
  std::vector<Buffer> buffers = value_buffers();
  const std::size_t first_nameless = buffers.size();
  for (const Buffer& b : nameless_buffers()) buffers.push_back(b);
  const std::size_t first_scratch = buffers.size();
  for (const Buffer& b : scratch_buffers()) buffers.push_back(b);

  // A page lies in the memory next to the core that writes to it first, so large scratch shares none with another's.
  const bool has_pages = options_.threads > 1 && worker_scratch_bytes_ >= kLargePage;
  const std::size_t unit = has_pages ? kLargePage : 64;
  worker_scratch_bytes_ = kernels::round_up(worker_scratch_bytes_, unit);
  worker_scratch_offset_ = kernels::round_up(lay_out(buffers), unit);
  arena_bytes_ = worker_scratch_offset_ + worker_scratch_bytes_ * static_cast<std::size_t>(options_.threads);
  require_within(arena_bytes_, options_.max_bytes, "the graph with these inputs");

  for (std::size_t& offset : offsets_) {
    if (offset != kNowhere) offset = buffers[offset].offset;
  }
  for (std::size_t i = 0; i < nameless_.size(); ++i) nameless_[i].offset = buffers[first_nameless + i].offset;
  for (std::size_t s = 0; s < steps_.size(); ++s) steps_[s].scratch_offset = buffers[first_scratch + s].offset;
  worker_scratch_.resize(static_cast<std::size_t>(options_.threads));
}

void Binding::attach(BoundStep& step, std::byte* arena) {
  const Node& node = plan_.graph().nodes[step.node];
  step.inputs = tensors_of(node.inputs, values_);
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] != kNoValue) step.outputs[i] = values_[static_cast<std::size_t>(node.outputs[i])];
  }
  step.execution = {
      step.inputs,    step.outputs, &kernels::table(options_.isa), &run_options_, arena + step.scratch_offset,
      worker_scratch_};
}

void Binding::attach(std::byte* arena) {
  if (arena == arena_) return;
  arena_ = arena;
  const auto view = [&](const Tensor& t, std::size_t offset) {
    return Tensor::view(t.type(), t.shape(), arena + offset);
  };
  for (std::size_t v = 0; v < values_.size(); ++v) {
    if (offsets_[v] != kNowhere) values_[v] = view(values_[v], offsets_[v]);
  }
  for (const Nameless& n : nameless_) steps_[n.step].outputs[0] = view(steps_[n.step].outputs[0], n.offset);
  for (std::size_t w = 0; w < worker_scratch_.size(); ++w) {
    worker_scratch_[w] = arena + worker_scratch_offset_ + w * worker_scratch_bytes_;
  }
  for (BoundStep& step : steps_) attach(step, arena);
}

}  // namespace sesame::engine
