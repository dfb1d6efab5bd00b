// Level avxvnni of peak_u8s8: independent VPDPBUSD, 32 products each.
#include <immintrin.h>

#include "kernels/table.h"

namespace sesame::kernels::avxvnni {

double peak_u8s8(std::size_t iterations, std::int32_t* sink) {
  constexpr int kChains = 12;
  const __m256i x = _mm256_set1_epi32(*sink);
  __m256i sum[kChains] = {};
  for (std::size_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 12
    for (int j = 0; j < kChains; ++j) asm("%{vex%} vpdpbusd %1, %1, %0" : "+x"(sum[j]) : "x"(x));
  }
#pragma GCC unroll 12
  for (int j = 1; j < kChains; ++j) sum[0] = _mm256_add_epi32(sum[0], sum[j]);
  *sink = _mm256_extract_epi32(sum[0], 0);
  return static_cast<double>(iterations) * kChains * 32;
}

}  // namespace sesame::kernels::avxvnni
