// The shared conformance cases: folders with a model and data sets in ONNX's own test layout.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/compare.h"
#include "engine/graph.h"
#include "engine/tensor.h"
#include "kernels/isa.h"

namespace sesame::test {

struct DataSet {
  std::string name;
  std::vector<engine::Tensor> inputs;   // in the order of the graph's inputs
  std::vector<engine::Tensor> outputs;  // in the order of the graph's outputs
};

// Folders below `root` that hold a model.onnx, sorted.
std::vector<std::filesystem::path> find_cases(const std::filesystem::path& root);

std::vector<DataSet> read_data_sets(const std::filesystem::path& folder);

// Runs the graph node by node, each with the step that make_step gives it. Checks on the way that shape inference from
// descriptions alone agrees with the one that sees all values. Throws Error that names the node.
std::vector<engine::Tensor> evaluate(const engine::Graph& graph, const std::vector<engine::Tensor>& inputs,
                                     kernels::Isa isa);

// The tolerance of `sesame verify`: wider for graphs with quantizing operators or float16.
engine::Tolerance tolerance_for(const engine::Graph& graph);

// The same through a plan and its runner.
std::vector<engine::Tensor> run_planned(const engine::Graph& graph, const std::vector<engine::Tensor>& inputs,
                                        kernels::Isa isa, int threads);

struct CaseResult {
  std::string problem;                  // of the first data set that fails, empty when all pass
  std::vector<engine::Tensor> outputs;  // of all data sets, one after the other
};

// Evaluates all data sets of the case.
CaseResult run_case(const std::filesystem::path& folder, kernels::Isa isa);

}  // namespace sesame::test
