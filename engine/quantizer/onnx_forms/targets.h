// How each selected node is quantized, or why not.
#pragma once

#include <string>
#include <vector>

#include "engine/quantizer/onnx_forms/onnx_forms.h"

namespace sesame::engine {

enum class Role {
  none,
  matmul,  // MatMul, or Gemm: x W (+ bias)
  gather,  // of a constant table
  binary,  // Add, Mul
};

struct Targets {
  std::vector<Role> roles;  // one a node
  std::vector<std::string> notes;
};

// `ranges` is null before calibration: every value then counts as one that will have a range.
Targets find_targets(const Graph& graph, const OnnxFormOptions& options, const Ranges* ranges);

// Operand 1 of a MatMul or Gemm: whether it is a constant, and the axis of its output channels.
bool has_constant_weight(const Graph& graph, const Node& node);
std::optional<std::size_t> channel_axis(const Graph& graph, const Node& node);

}  // namespace sesame::engine
