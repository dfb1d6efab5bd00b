// Level avx512vnni of peak_u8s8: independent VPDPBUSD, 64 products each.
#include <immintrin.h>

#include "kernels/table.h"

namespace sesame::kernels::avx512vnni {

double peak_u8s8(std::size_t iterations, std::int32_t* sink) {
  constexpr int kChains = 24;
  const __m512i x = _mm512_set1_epi32(*sink);
  __m512i sum[kChains] = {};
  for (std::size_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 24
    for (int j = 0; j < kChains; ++j) asm("vpdpbusd %1, %1, %0" : "+v"(sum[j]) : "v"(x));
  }
#pragma GCC unroll 24
  for (int j = 1; j < kChains; ++j) sum[0] = _mm512_add_epi32(sum[0], sum[j]);
  *sink = _mm512_cvtsi512_si32(sum[0]);
  return static_cast<double>(iterations) * kChains * 64;
}

}  // namespace sesame::kernels::avx512vnni
