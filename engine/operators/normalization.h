// Row normalizations that ONNX's and ONNX Runtime's operators share.
#pragma once

#include "engine/operators/common.h"

namespace sesame::engine {

// A parameter of a normalized row of n elements, as float32: `parameter` broadcast to `shape` (of n elements), or n
// times `otherwise` when it was left out.
Tensor row_parameter(const Tensor* parameter, const Shape& shape, float otherwise);

// What was computed on the way.
struct RowStatistics {
  float mean;
  float inverse_deviation;  // 1 / sqrt(variance + epsilon)
};

// As layernorm_row computes them. `squares` is scratch of n floats.
RowStatistics row_statistics(const kernels::Table& kernels, const float* x, float epsilon, std::size_t n,
                             float* squares);

// y = x / sqrt(mean of x^2 + epsilon) * gamma. `squares` is scratch of n floats; y may be x.
void rms_norm_row(const kernels::Table& kernels, const float* x, const float* gamma, float epsilon, std::size_t n,
                  float* squares, float* y);

}  // namespace sesame::engine
