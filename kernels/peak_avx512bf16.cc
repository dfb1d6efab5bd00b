// Level avx512bf16 of peak_bf16: independent VDPBF16PS, 32 products each.
#include <immintrin.h>

#include "kernels/table.h"

namespace sesame::kernels::avx512bf16 {

double peak_bf16(std::size_t iterations, float* sink) {
  constexpr int kChains = 24;
  const __m512 x = _mm512_set1_ps(*sink);
  __m512 sum[kChains] = {};
  for (std::size_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 24
    for (int j = 0; j < kChains; ++j) asm("vdpbf16ps %1, %1, %0" : "+v"(sum[j]) : "v"(x));
  }
#pragma GCC unroll 24
  for (int j = 1; j < kChains; ++j) sum[0] = sum[0] + sum[j];
  *sink = _mm512_cvtss_f32(sum[0]);
  return static_cast<double>(iterations) * kChains * 32;
}

}  // namespace sesame::kernels::avx512bf16
