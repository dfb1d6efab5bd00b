// Level avx2 of the peaks. The compiler sees an asm that changes its sum, so it neither hoists nor merges anything.
#include <immintrin.h>

#include "kernels/table.h"

namespace sesame::kernels::avx2 {

// 12 independent chains cover a latency of 5 at two instructions a cycle, and are what a 6 x 16 tile has.
double peak_f32(std::size_t iterations, float* sink) {
  constexpr int kChains = 12;
  const __m256 x = _mm256_set1_ps(*sink);
  __m256 sum[kChains] = {};
  for (std::size_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 12
    for (int j = 0; j < kChains; ++j) asm("vfmadd231ps %1, %1, %0" : "+x"(sum[j]) : "x"(x));
  }
#pragma GCC unroll 24
  for (int j = 1; j < kChains; ++j) sum[0] = sum[0] + sum[j];
  *sink = _mm256_cvtss_f32(sum[0]);
  return static_cast<double>(iterations) * kChains * 8;
}

// Bytes widened to 16 bits: a VPMADDWD and a VPADDD for 16 products.
double peak_u8s8(std::size_t iterations, std::int32_t* sink) {
  constexpr int kChains = 8;
  const __m256i x = _mm256_set1_epi32(*sink);
  __m256i sum[kChains] = {};
  for (std::size_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < kChains; ++j) {
      __m256i product;
      asm("vpmaddwd %2, %2, %1\n\tvpaddd %1, %0, %0" : "+x"(sum[j]), "=&x"(product) : "x"(x));
    }
  }
#pragma GCC unroll 24
  for (int j = 1; j < kChains; ++j) sum[0] = _mm256_add_epi32(sum[0], sum[j]);
  *sink = _mm256_extract_epi32(sum[0], 0);
  return static_cast<double>(iterations) * kChains * 16;
}

// Without the instruction each product of a pair is a fused multiply-add of its own.
double peak_bf16(std::size_t iterations, float* sink) { return peak_f32(iterations, sink); }

}  // namespace sesame::kernels::avx2
