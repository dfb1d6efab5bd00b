// Level avx512 of the peaks: as peak_avx2.cc, with registers of twice the width and twice as many.
#include <immintrin.h>

#include "kernels/table.h"

namespace sesame::kernels::avx512 {

double peak_f32(std::size_t iterations, float* sink) {
  constexpr int kChains = 24;
  const __m512 x = _mm512_set1_ps(*sink);
  __m512 sum[kChains] = {};
  for (std::size_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 24
    for (int j = 0; j < kChains; ++j) asm("vfmadd231ps %1, %1, %0" : "+v"(sum[j]) : "v"(x));
  }
#pragma GCC unroll 24
  for (int j = 1; j < kChains; ++j) sum[0] = sum[0] + sum[j];
  *sink = _mm512_cvtss_f32(sum[0]);
  return static_cast<double>(iterations) * kChains * 16;
}

double peak_u8s8(std::size_t iterations, std::int32_t* sink) {
  constexpr int kChains = 16;
  const __m512i x = _mm512_set1_epi32(*sink);
  __m512i sum[kChains] = {};
  for (std::size_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < kChains; ++j) {
      __m512i product;
      asm("vpmaddwd %2, %2, %1\n\tvpaddd %1, %0, %0" : "+v"(sum[j]), "=&v"(product) : "v"(x));
    }
  }
#pragma GCC unroll 24
  for (int j = 1; j < kChains; ++j) sum[0] = _mm512_add_epi32(sum[0], sum[j]);
  *sink = _mm512_cvtsi512_si32(sum[0]);
  return static_cast<double>(iterations) * kChains * 32;
}

// Without the instruction each product of a pair is a fused multiply-add of its own.
double peak_bf16(std::size_t iterations, float* sink) { return peak_f32(iterations, sink); }

}  // namespace sesame::kernels::avx512
