#include "bench/profile.h"

#include <algorithm>
#include <map>
#include <utility>

#include "bench/latency.h"
#include "bench/report.h"
#include "engine/plan.h"
#include "models/model.h"

namespace sesame::bench {
namespace {

// values as the graph declares its input: int32 or int64.
engine::Tensor make_input(const engine::Value& input, engine::Shape shape, const std::vector<std::int64_t>& values) {
  if (input.declared_type != engine::DType::i32) return engine::Tensor::of(std::move(shape), values);
  return engine::Tensor::of(std::move(shape), std::vector<std::int32_t>(values.begin(), values.end()));
}

std::string step_name(const engine::Plan& plan, std::size_t node, std::size_t phase) {
  const engine::Node& it = plan.graph().nodes[node];
  const std::string name = plan.step(node).phase_name(phase);
  return (it.name.empty() ? it.op : it.op + " " + it.name) + (name.empty() ? "" : ": " + name);
}

}  // namespace

std::vector<engine::Tensor> make_inputs(const LoadedModel& model, const TokenBatch& batch) {
  const engine::Graph& graph = model.plan->graph();
  const auto sequences = static_cast<std::int64_t>(batch.size());
  const engine::Shape shape = {sequences, static_cast<std::int64_t>(batch.ids.size()) / sequences};
  std::vector<engine::Tensor> inputs;
  for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
    const engine::Value& input = graph.value(graph.inputs[i]);
    const int role = static_cast<int>(i);
    if (role == model.input_ids) {
      inputs.push_back(make_input(input, shape, batch.ids));
    } else if (role == model.attention_mask) {
      inputs.push_back(make_input(input, shape, std::vector<std::int64_t>(batch.ids.size(), 1)));
    } else if (role == model.token_type_ids) {
      inputs.push_back(make_input(input, shape, std::vector<std::int64_t>(batch.ids.size(), 0)));
    } else {
      throw Error(model.onnx_file.string() + ": input '" + input.name + "': expected ids, mask or types");
    }
  }
  return inputs;
}

std::vector<StepProfile> profile(const LoadedModel& model, const TokenBatch& batch, int threads, int runs) {
  engine::Runner runner(*model.plan, {.threads = threads, .padded_positions = false});
  const auto inputs = make_inputs(model, batch);
  for (int i = 0; i < 3; ++i) runner.run(inputs);

  runner.set_profiling(true);
  std::map<std::pair<std::size_t, std::size_t>, std::vector<double>> times;  // by node and phase
  for (int i = 0; i < runs; ++i) {
    runner.run(inputs);
    for (const engine::PhaseTime& each : runner.profile()) times[{each.node, each.phase}].push_back(each.milliseconds);
  }

  std::vector<StepProfile> steps;
  double total = 0;
  for (auto& [step, ms] : times) {
    std::ranges::sort(ms);
    steps.push_back({step_name(*model.plan, step.first, step.second), quantile(ms, 0.5), 0});
    total += steps.back().milliseconds;
  }
  for (StepProfile& each : steps) each.share = total > 0 ? each.milliseconds / total : 0;
  return steps;
}

std::string to_table(const std::vector<StepProfile>& steps) {
  std::vector<std::vector<std::string>> rows = {{"step", "ms", "share"}};
  double total = 0;
  for (const StepProfile& each : steps) {
    rows.push_back({each.step, fixed(each.milliseconds, 4), fixed(each.share * 100, 1) + " %"});
    total += each.milliseconds;
  }
  rows.push_back({"all", fixed(total, 4), "100.0 %"});
  return align_columns(rows, 1);
}

}  // namespace sesame::bench
