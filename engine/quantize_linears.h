// int8 or bf16 on load: which Linears of a float graph run on those kernels.
#pragma once

#include "engine/graph.h"
#include "engine/linear.h"

namespace sesame::engine {

// Marks the encoder's sesame.Linear nodes with the attribute "precision", "int8" or "bf16", and leaves the heads as
// they are: pooler and classifier stay fp32. The encoder ends at the last LayerNormalization of a residual sum (an Add
// of two activations), or at the last such sum of a Linear's result where norms come before or are none; a Linear is the
// encoder's when such a node lies downstream. For int8, one with more inputs than an int32 sum is exact for
// (kernels::kMaxK) stays as it is. Returns how many were marked.
int quantize_linears(Graph& graph, LinearPrecision precision = LinearPrecision::int8);

}  // namespace sesame::engine
