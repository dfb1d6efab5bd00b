// Ranges for sums with one constant.
#pragma once

#include <vector>

#include "engine/quantizer/onnx_forms/targets.h"

namespace sesame::engine {

// Of each quantized y = x + c with a scalar constant c (GELU's 1 + erf), widens the range of x until c is a whole
// number of its steps, and moves that of y along. As calibrated, [-1, 1] + 1 = [0, 2] lie on grids that are half a step
// apart: every sum is a tie, and which way it falls differs between implementations of the same operator.
void align_scalar_sums(const Graph& graph, const std::vector<Role>& roles, Ranges& ranges);

}  // namespace sesame::engine
