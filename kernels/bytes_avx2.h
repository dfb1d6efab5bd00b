// bytes_lanes.h for AVX2. Include bytes_lanes.h.
#pragma once

namespace sesame::kernels::SESAME_LEVEL {

// As in bytes_avx512.h, in registers of half the width.
#if defined(__AVXVNNI__)
SESAME_INLINE __m256i dot4(__m256i acc, __m256i a, __m256i b) {
  asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc) : "x"(a), "x"(b));
  return acc;
}
#else
SESAME_INLINE __m256i dot4(__m256i acc, __m256i a, __m256i b) {
  const __m256i a_even = _mm256_srli_epi16(_mm256_slli_epi16(a, 8), 8), a_odd = _mm256_srli_epi16(a, 8);
  const __m256i b_even = _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8), b_odd = _mm256_srai_epi16(b, 8);
  acc = _mm256_add_epi32(acc, _mm256_madd_epi16(a_even, b_even));
  asm("" : "+x"(acc));
  acc = _mm256_add_epi32(acc, _mm256_madd_epi16(a_odd, b_odd));
  asm("" : "+x"(acc));
  return acc;
}
#endif
SESAME_INLINE Ints dot4(Ints acc, Ints a, Ints b) { return {dot4(acc.lo, a.lo, b.lo), dot4(acc.hi, a.hi, b.hi)}; }

SESAME_INLINE __m256i interleave4(__m256i i, __m256i j, __m256i k, __m256i l) {
  const __m256i odd = _mm256_set1_epi16(static_cast<short>(0xFF00));
  const __m256i low = _mm256_blendv_epi8(i, _mm256_slli_epi32(j, 8), odd);
  const __m256i high = _mm256_blendv_epi8(_mm256_slli_epi32(k, 16), _mm256_slli_epi32(l, 24), odd);
  return _mm256_blend_epi16(low, high, 0xAA);
}
SESAME_INLINE Ints interleave4(Ints i, Ints j, Ints k, Ints l) {
  return {interleave4(i.lo, j.lo, k.lo, l.lo), interleave4(i.hi, j.hi, k.hi, l.hi)};
}

SESAME_INLINE Ints flip_signs(Ints a) {
  const __m256i signs = _mm256_set1_epi32(static_cast<std::int32_t>(0x80808080));
  return {_mm256_xor_si256(a.lo, signs), _mm256_xor_si256(a.hi, signs)};
}

SESAME_INLINE Ints load_ints(const void* p) {
  const __m256i* half = static_cast<const __m256i*>(p);
  return {_mm256_loadu_si256(half), _mm256_loadu_si256(half + 1)};
}
SESAME_INLINE void store_ints(void* p, Ints a) {
  __m256i* half = static_cast<__m256i*>(p);
  _mm256_storeu_si256(half, a.lo);
  _mm256_storeu_si256(half + 1, a.hi);
}

}  // namespace sesame::kernels::SESAME_LEVEL
