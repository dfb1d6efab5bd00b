#include "kernels/reference_gemm.h"

#include <algorithm>
#include <cmath>

#include "kernels/pack.h"
#include "kernels/reference_rows.h"

namespace sesame::kernels::reference {
namespace {

// act(x) + residual[m][n].
float finish(const Epilogue& e, float x, std::size_t m, std::size_t n) {
  const float y = activate(e.activation, x);
  return e.residual ? y + e.residual[static_cast<std::ptrdiff_t>(m) * e.ld_residual + static_cast<std::ptrdiff_t>(n)]
                    : y;
}

}  // namespace

void gemm_f32(const GemmF32& g) {
  for (std::size_t m = 0; m < g.M; ++m) {
    const float* a = g.a + static_cast<std::ptrdiff_t>(m) * g.lda;
    float* c = g.c + static_cast<std::ptrdiff_t>(m) * g.ldc;
    for (std::size_t n = 0; n < g.N; ++n) {
      const float* w = g.b + n / kPanel * kPanel * g.K + n % kPanel;
      float sum = 0;
      for (std::size_t k = 0; k < g.K; ++k) sum = std::fma(a[k], w[k * kPanel], sum);
      if (g.epilogue.bias) sum = sum + g.epilogue.bias[n];
      c[n] = finish(g.epilogue, sum, m, n);
    }
  }
}

void gemm_u8s8(const GemmU8S8& g) {
  for (std::size_t m = 0; m < g.M; ++m) {
    const std::uint8_t* a = g.a + static_cast<std::ptrdiff_t>(m) * g.lda;
    float* c = g.c + static_cast<std::ptrdiff_t>(m) * g.ldc;
    for (std::size_t n = 0; n < g.N; ++n) {
      const std::int8_t* w = g.b + n / kPanel * kPanel * round_up(g.K, 4) + n % kPanel * 4;
      std::int32_t sum = g.acc_init[n];
      for (std::size_t k = 0; k < g.K; ++k) sum += a[k] * w[k / 4 * kPanel * 4 + k % 4];
      const float bias = g.epilogue.bias ? g.epilogue.bias[n] : 0.0f;
      c[n] = finish(g.epilogue, std::fma(static_cast<float>(sum), g.a_scale[m] * g.b_scale[n], bias), m, n);
    }
  }
}

void quantize_weights_s8(const float* w, std::size_t K, std::size_t N, std::int8_t* q, float* scale,
                         const WeightGrid& grid) {
  const double most = grid.largest;
  std::fill_n(scale, N, 0.0f);
  for (std::size_t i = 0; i < K * N; ++i) scale[i % N] = std::max(scale[i % N], std::fabs(w[i]));
  if (grid.one_scale) std::fill_n(scale, N, *std::max_element(scale, scale + N));
  for (std::size_t n = 0; n < N; ++n) {
    scale[n] /= static_cast<float>(grid.largest);
    for (std::size_t k = 0; k < K; ++k) {
      const double ratio = scale[n] == 0 ? 0 : std::nearbyint(static_cast<double>(w[k * N + n]) / scale[n]);
      q[k * N + n] = static_cast<std::int8_t>(std::clamp(ratio, -most, most));
    }
  }
}

}  // namespace sesame::kernels::reference
