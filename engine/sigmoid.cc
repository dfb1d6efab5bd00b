#include "engine/sigmoid.h"

#include <algorithm>
#include <cmath>

namespace sesame::engine {

void sigmoid_row(const kernels::Table& kernels, const float* x, std::size_t n, float* y) {
  constexpr std::size_t kPiece = 512;
  float e[kPiece];
  for (std::size_t begin = 0; begin < n; begin += kPiece) {
    const std::size_t count = std::min(kPiece, n - begin);
    for (std::size_t i = 0; i < count; ++i) e[i] = -std::fabs(x[begin + i]);
    kernels.exp_row(e, count, e);
    for (std::size_t i = 0; i < count; ++i) y[begin + i] = (x[begin + i] < 0 ? e[i] : 1.0f) / (1.0f + e[i]);
  }
}

}  // namespace sesame::engine
