// The logistic function on the kernels' exp.
#pragma once

#include <cstddef>

#include "kernels/table.h"

namespace sesame::engine {

// y = 1 / (1 + exp(-x)), n elements, by exp(-|x|) so that nothing overflows. y may be x.
void sigmoid_row(const kernels::Table& kernels, const float* x, std::size_t n, float* y);

}  // namespace sesame::engine
