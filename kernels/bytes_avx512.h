// bytes_lanes.h for AVX-512, with VNNI and without. Include bytes_lanes.h.
#pragma once

namespace sesame::kernels::SESAME_LEVEL {

#if defined(__AVX512VNNI__)
// As asm, since g++ 12 spills the accumulators around _mm512_dpbusd_epi32.
SESAME_INLINE Ints dot4(Ints acc, Ints a, Ints b) {
  asm("vpdpbusd %2, %1, %0" : "+v"(acc.v) : "v"(a.v), "v"(b.v));
  return acc;
}
#else
// Even and odd bytes are widened where they lie; VPMADDWD adds pairs of products in 32 bits. In a tile the compiler
// widens each operand once. The asm holds no instruction: it hides the sum from the compiler, which otherwise makes
// trees of additions and spills their leaves.
SESAME_INLINE Ints dot4(Ints acc, Ints a, Ints b) {
  const __m512i a_even = _mm512_and_si512(a.v, _mm512_set1_epi16(0xFF)), a_odd = _mm512_srli_epi16(a.v, 8);
  const __m512i b_even = _mm512_srai_epi16(_mm512_slli_epi16(b.v, 8), 8), b_odd = _mm512_srai_epi16(b.v, 8);
  acc.v = _mm512_add_epi32(acc.v, _mm512_madd_epi16(a_even, b_even));
  asm("" : "+v"(acc.v));
  acc.v = _mm512_add_epi32(acc.v, _mm512_madd_epi16(a_odd, b_odd));
  asm("" : "+v"(acc.v));
  return acc;
}
#endif

// Byte 0 of each lane of j, k and l moves to the place that is still free in i's.
SESAME_INLINE Ints interleave4(Ints i, Ints j, Ints k, Ints l) {
  const __m512i low = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0C0C0C0C));
  __m512i four = _mm512_mask_shuffle_epi8(i.v, 0x2222222222222222, j.v, low);
  four = _mm512_mask_shuffle_epi8(four, 0x4444444444444444, k.v, low);
  return {_mm512_mask_shuffle_epi8(four, 0x8888888888888888, l.v, low)};
}

SESAME_INLINE Ints flip_signs(Ints a) {
  return {_mm512_xor_si512(a.v, _mm512_set1_epi32(static_cast<std::int32_t>(0x80808080)))};
}

SESAME_INLINE Ints load_ints(const void* p) { return {_mm512_loadu_si512(p)}; }
SESAME_INLINE void store_ints(void* p, Ints a) { _mm512_storeu_si512(p, a.v); }

}  // namespace sesame::kernels::SESAME_LEVEL
