// Level scalar of gemm_u8s8: one panel of 16 columns at a time.
#include <algorithm>
#include <cassert>

#include "kernels/gemm_tile_scalar.h"
#include "kernels/pack.h"
#include "kernels/table.h"

namespace sesame::kernels::scalar {
namespace {

void product_row(const std::uint8_t* a, const std::int8_t* panel, std::size_t K, std::int32_t* sum) {
  for (std::size_t k = 0; k < K; k += 4, panel += kPanel * 4) {
    for (std::size_t i = 0; i < kPanel; ++i) {
      // Unsigned, since sums may wrap around.
      for (std::size_t j = 0; j < 4; ++j) {
        sum[i] = static_cast<std::int32_t>(static_cast<std::uint32_t>(sum[i]) +
                                           static_cast<std::uint32_t>(a[k + j] * panel[i * 4 + j]));
      }
    }
  }
}

}  // namespace

void gemm_u8s8(const GemmU8S8& g) {
  assert(g.K <= kMaxK);
  const std::size_t depth = round_up(g.K, 4);
  for (std::size_t n = 0; n < g.N; n += kPanel) {
    const std::size_t columns = std::min(kPanel, g.N - n);
    for (std::size_t m = 0; m < g.M; ++m) {
      std::int32_t sum[kPanel];
      std::copy_n(g.acc_init + n, kPanel, sum);
      product_row(row_of(g.a, g.lda, m), g.b + n * depth, depth, sum);
      float y[kPanel];
      for (std::size_t i = 0; i < columns; ++i) {
        const float bias = g.epilogue.bias ? g.epilogue.bias[n + i] : 0.0f;
        y[i] = __builtin_fmaf(static_cast<float>(sum[i]), g.a_scale[m] * g.b_scale[n + i], bias);
      }
      store_row(g.epilogue, y, m, n, columns, row_of(g.c, g.ldc, m) + n);
    }
  }
}

void sums_u8s8(const SumsU8S8& g) {
  const std::size_t depth = round_up(g.K, 4);
  for (std::size_t n = 0; n < g.N; n += kPanel) {
    for (std::size_t m = 0; m < g.M; ++m) {
      std::int32_t sum[kPanel];
      std::copy_n(g.acc_init + n, kPanel, sum);
      product_row(row_of(g.a, g.lda, m), g.b + n * depth, depth, sum);
      std::copy_n(sum, std::min(kPanel, g.N - n), row_of(g.c, g.ldc, m) + n);
    }
  }
}

}  // namespace sesame::kernels::scalar
