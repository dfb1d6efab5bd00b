// Level scalar of gemm_bf16: one panel of 16 columns at a time, a chain a column.
#include <algorithm>

#include "kernels/bf16.h"
#include "kernels/gemm_tile_scalar.h"
#include "kernels/pack.h"
#include "kernels/table.h"

namespace sesame::kernels::scalar {
namespace {

// `depth` is even: a pair of k lies together, and its odd one goes first.
void product_row(const std::uint16_t* a, const std::uint16_t* panel, std::size_t depth, float* sum) {
  std::fill_n(sum, kPanel, 0.0f);
  for (std::size_t k = 0; k < depth; k += 2, panel += kPanel * 2) {
    const float even = from_bf16(a[k]), odd = from_bf16(a[k + 1]);
    for (std::size_t i = 0; i < kPanel; ++i) {
      sum[i] = fma_flushed(odd, from_bf16(panel[i * 2 + 1]), sum[i]);
      sum[i] = fma_flushed(even, from_bf16(panel[i * 2]), sum[i]);
    }
  }
}

}  // namespace

void gemm_bf16(const GemmBf16& g) {
  const std::size_t depth = round_up(g.K, 2);
  for (std::size_t n = 0; n < g.N; n += kPanel) {
    const std::size_t columns = std::min(kPanel, g.N - n);
    for (std::size_t m = 0; m < g.M; ++m) {
      float sum[kPanel];
      product_row(row_of(g.a, g.lda, m), g.b + n * depth, depth, sum);
      if (g.epilogue.bias) {
        for (std::size_t i = 0; i < columns; ++i) sum[i] += g.epilogue.bias[n + i];
      }
      store_row(g.epilogue, sum, m, n, columns, row_of(g.c, g.ldc, m) + n);
    }
  }
}

}  // namespace sesame::kernels::scalar
