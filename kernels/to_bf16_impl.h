// to_bf16_row of table.h for levels without the instruction. A plain loop that the compiler turns into vectors;
// to_bf16_<level>.cc includes this once a level.
#pragma once

#include <cstddef>

#include "kernels/bf16.h"
#include "kernels/level.h"
#include "kernels/table.h"

namespace sesame::kernels::SESAME_LEVEL {

void to_bf16_row(const float* x, std::size_t n, std::uint16_t* y) {
  for (std::size_t i = 0; i < n; ++i) y[i] = to_bf16(x[i]);
  if (n % 2 != 0) y[n] = 0;
}

}  // namespace sesame::kernels::SESAME_LEVEL
