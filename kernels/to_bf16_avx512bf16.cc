// Level avx512bf16 of to_bf16_row: VCVTNEPS2BF16 rounds half to even and flushes denormals whatever MXCSR says.
#include <immintrin.h>

#include "kernels/table.h"

namespace sesame::kernels::avx512bf16 {
namespace {

inline __m256i to_bf16(__m512 x) { return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x)); }

inline __mmask16 first_lanes(std::size_t count) { return static_cast<__mmask16>((1u << count) - 1); }

}  // namespace

void to_bf16_row(const float* x, std::size_t n, std::uint16_t* y) {
  constexpr std::size_t kLanes = 16;
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y + i), to_bf16(_mm512_loadu_ps(x + i)));
  }
  if (i == n) return;
  const std::size_t rest = n - i;
  const __m512 last = _mm512_maskz_loadu_ps(first_lanes(rest), x + i);
  _mm256_mask_storeu_epi16(y + i, first_lanes(rest + rest % 2), to_bf16(last));
}

}  // namespace sesame::kernels::avx512bf16
