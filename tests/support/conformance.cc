#include "tests/support/conformance.h"

#include <algorithm>

#include "engine/onnx_reader.h"
#include "engine/plan.h"
#include "engine/step.h"
#include "sesame/error.h"

namespace sesame::test {

namespace fs = std::filesystem;
using namespace engine;

namespace {

// "input_0.pb", "input_1.pb", ..
std::vector<Tensor> read_tensors(const fs::path& folder, const std::string& prefix) {
  std::vector<Tensor> tensors;
  for (std::size_t i = 0;; ++i) {
    const fs::path file = folder / (prefix + std::to_string(i) + ".pb");
    if (!fs::exists(file)) return tensors;
    tensors.push_back(read_tensor_proto(file).tensor);
  }
}

std::vector<Tensor> gather(const std::vector<ValueId>& ids, const std::vector<Tensor>& values) {
  std::vector<Tensor> tensors(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] != kNoValue) tensors[i] = values[static_cast<std::size_t>(ids[i])];
  }
  return tensors;
}

// Infers from types and shapes alone; empty when that needs a value.
std::vector<Tensor> infer_described(const Step& step, const std::vector<Tensor>& inputs, std::size_t outputs) {
  std::vector<Tensor> described;
  for (const Tensor& t : inputs) described.push_back(t ? Tensor(t.type(), t.shape()) : Tensor());
  std::vector<Tensor> results(outputs);
  try {
    Inference io(described, results);
    step.infer(io);
  } catch (const NeedsValue&) {
    return {};
  }
  return results;
}

std::vector<Tensor> run_node(const Graph& graph, const Node& node, const std::vector<Tensor>& inputs,
                             const kernels::Table& kernels) {
  const std::shared_ptr<const Step> step = node.step ? node.step : make_step(graph, node);
  std::vector<Tensor> outputs(node.outputs.size());
  Inference io(inputs, outputs);
  step->infer(io);
  const auto described = infer_described(*step, inputs, outputs.size());
  for (std::size_t i = 0; i < described.size(); ++i) {
    if (described[i].type() != outputs[i].type() || described[i].shape() != outputs[i].shape()) {
      throw Error("shape inference depends on values without asking for them");
    }
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (node.outputs[i] == kNoValue) outputs[i] = Tensor();
    if (outputs[i]) outputs[i] = Tensor::allocate(outputs[i].type(), outputs[i].shape());
  }
  run_alone(*step, inputs, outputs, kernels, RunOptions{});
  return outputs;
}

}  // namespace

std::vector<fs::path> find_cases(const fs::path& root) {
  std::vector<fs::path> cases;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.path().filename() == "model.onnx") cases.push_back(entry.path().parent_path());
  }
  std::sort(cases.begin(), cases.end());
  return cases;
}

std::vector<DataSet> read_data_sets(const fs::path& folder) {
  std::vector<DataSet> sets;
  for (std::size_t i = 0;; ++i) {
    const std::string name = "test_data_set_" + std::to_string(i);
    if (!fs::is_directory(folder / name)) return sets;
    sets.push_back({name, read_tensors(folder / name, "input_"), read_tensors(folder / name, "output_")});
  }
}

std::vector<Tensor> evaluate(const Graph& graph, const std::vector<Tensor>& inputs, kernels::Isa isa) {
  if (inputs.size() != graph.inputs.size()) throw Error("the data set does not fit the graph's inputs");
  std::vector<Tensor> values(graph.value_count());
  for (std::size_t v = 0; v < values.size(); ++v) values[v] = graph.value(static_cast<ValueId>(v)).constant;
  for (std::size_t i = 0; i < inputs.size(); ++i) values[static_cast<std::size_t>(graph.inputs[i])] = inputs[i];
  for (const Node& node : graph.nodes) {
    try {
      const auto outputs = run_node(graph, node, gather(node.inputs, values), kernels::table(isa));
      for (std::size_t i = 0; i < outputs.size(); ++i) {
        if (node.outputs[i] != kNoValue) values[static_cast<std::size_t>(node.outputs[i])] = outputs[i];
      }
    } catch (const Error& e) {
      throw Error(describe(graph, node) + ": " + e.what());
    }
  }
  return gather(graph.outputs, values);
}

Tolerance tolerance_for(const Graph& graph) {
  const auto is_float16 = [&](ValueId id) {
    return id != kNoValue && graph.is_constant(id) && graph.constant(id).type() == DType::f16;
  };
  for (const Node& node : graph.nodes) {
    const bool quantizes = node.op.find("Quantize") != std::string::npos || node.op.rfind("Q", 0) == 0 ||
                           node.op.find("Integer") != std::string::npos;
    if (quantizes || std::any_of(node.inputs.begin(), node.inputs.end(), is_float16)) return {1e-5, 2e-2};
  }
  return {};
}

std::vector<Tensor> run_planned(const Graph& graph, const std::vector<Tensor>& inputs, kernels::Isa isa, int threads) {
  const Plan plan(graph);
  RunnerOptions options;
  options.isa = isa;
  options.threads = threads;
  Runner runner(plan, options);
  std::vector<Tensor> outputs;
  for (const Tensor& t : runner.run(inputs)) outputs.push_back(t.clone());
  return outputs;
}

CaseResult run_case(const fs::path& folder, kernels::Isa isa) {
  CaseResult result;
  try {
    const Graph graph = read_onnx(folder / "model.onnx");
    const auto sets = read_data_sets(folder);
    if (sets.empty()) throw Error("no data sets");
    for (const DataSet& set : sets) {
      const auto got = evaluate(graph, set.inputs, isa);
      if (got.size() != set.outputs.size()) throw Error(set.name + ": the number of outputs differs");
      for (std::size_t i = 0; i < got.size(); ++i) {
        const Comparison c = compare(got[i], set.outputs[i], tolerance_for(graph));
        if (!c.passed) throw Error(set.name + ": output " + std::to_string(i) + ": " + c.problem);
        result.outputs.push_back(got[i]);
      }
    }
  } catch (const std::exception& e) {
    result.problem = e.what();
  }
  return result;
}

}  // namespace sesame::test
