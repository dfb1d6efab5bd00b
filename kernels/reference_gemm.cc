#include "kernels/reference_gemm.h"

#include <algorithm>
#include <cmath>

#include "kernels/bf16.h"
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

void gemm_bf16(const GemmBf16& g) {
  for (std::size_t m = 0; m < g.M; ++m) {
    const std::uint16_t* a = g.a + static_cast<std::ptrdiff_t>(m) * g.lda;
    float* c = g.c + static_cast<std::ptrdiff_t>(m) * g.ldc;
    for (std::size_t n = 0; n < g.N; ++n) {
      const std::uint16_t* w = g.b + n / kPanel * kPanel * round_up(g.K, 2) + n % kPanel * 2;
      float sum = 0;
      for (std::size_t k = 0; k < g.K; k += 2, w += kPanel * 2) {
        sum = fma_flushed(from_bf16(a[k + 1]), from_bf16(w[1]), sum);
        sum = fma_flushed(from_bf16(a[k]), from_bf16(w[0]), sum);
      }
      if (g.epilogue.bias) sum = sum + g.epilogue.bias[n];
      c[n] = finish(g.epilogue, sum, m, n);
    }
  }
}

void quantize_weights_s8(const float* w, std::size_t K, std::size_t N, std::int8_t* q, float* scale) {
  for (std::size_t n = 0; n < N; ++n) {
    float largest = 0;
    for (std::size_t k = 0; k < K; ++k) largest = std::max(largest, std::fabs(w[k * N + n]));
    scale[n] = largest / 127.0f;
    for (std::size_t k = 0; k < K; ++k) {
      const double ratio = scale[n] == 0 ? 0 : std::nearbyint(static_cast<double>(w[k * N + n]) / scale[n]);
      q[k * N + n] = static_cast<std::int8_t>(std::clamp(ratio, -127.0, 127.0));
    }
  }
}

}  // namespace sesame::kernels::reference
