// Level scalar of gemm_f32: one panel of 16 columns at a time, a chain a column.
#include <algorithm>

#include "kernels/gemm_tile_scalar.h"
#include "kernels/pack.h"
#include "kernels/table.h"

namespace sesame::kernels::scalar {
namespace {

void product_row(const float* a, const float* panel, std::size_t K, float* sum) {
  std::fill_n(sum, kPanel, 0.0f);
  for (std::size_t k = 0; k < K; ++k, panel += kPanel) {
    for (std::size_t i = 0; i < kPanel; ++i) sum[i] = __builtin_fmaf(a[k], panel[i], sum[i]);
  }
}

}  // namespace

void gemm_f32(const GemmF32& g) {
  for (std::size_t n = 0; n < g.N; n += kPanel) {
    const std::size_t columns = std::min(kPanel, g.N - n);
    for (std::size_t m = 0; m < g.M; ++m) {
      float sum[kPanel];
      product_row(row_of(g.a, g.lda, m), g.b + n * g.K, g.K, sum);
      if (g.epilogue.bias) {
        for (std::size_t i = 0; i < columns; ++i) sum[i] += g.epilogue.bias[n + i];
      }
      store_row(g.epilogue, sum, m, n, columns, row_of(g.c, g.ldc, m) + n);
    }
  }
}

}  // namespace sesame::kernels::scalar
