// lanes.h for AVX-512: one zmm register. Include lanes.h.
#pragma once

#include <xsimd/xsimd.hpp>

#include "kernels/lanes_tree.h"

namespace sesame::kernels::SESAME_LEVEL {

using Batch = xsimd::batch<float, xsimd::avx512bw>;

struct Lanes {
  Batch v;
};
struct Ints {
  __m512i v;
};
struct Mask {
  __mmask16 v;
};

SESAME_INLINE Lanes splat(float x) { return {Batch(x)}; }
SESAME_INLINE Ints splat(std::int32_t x) { return {_mm512_set1_epi32(x)}; }
SESAME_INLINE Lanes zero() { return {_mm512_setzero_ps()}; }

// Lanes [0, n) of 16.
SESAME_INLINE __mmask16 first_mask(std::size_t n) { return static_cast<__mmask16>((1u << n) - 1); }

SESAME_INLINE Lanes load(const float* p) { return {_mm512_loadu_ps(p)}; }
SESAME_INLINE Lanes load(const float* p, std::size_t n, float fill) {
  return {_mm512_mask_loadu_ps(_mm512_set1_ps(fill), first_mask(n), p)};
}
SESAME_INLINE void store(float* p, Lanes a) { _mm512_storeu_ps(p, a.v); }
SESAME_INLINE void store(float* p, Lanes a, std::size_t n) { _mm512_mask_storeu_ps(p, first_mask(n), a.v); }

SESAME_INLINE Lanes operator+(Lanes a, Lanes b) { return {a.v + b.v}; }
SESAME_INLINE Lanes operator-(Lanes a, Lanes b) { return {a.v - b.v}; }
SESAME_INLINE Lanes operator*(Lanes a, Lanes b) { return {a.v * b.v}; }
SESAME_INLINE Lanes operator/(Lanes a, Lanes b) { return {a.v / b.v}; }
SESAME_INLINE Lanes fma(Lanes a, Lanes b, Lanes c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
SESAME_INLINE Lanes sqrt(Lanes a) { return {_mm512_sqrt_ps(a.v)}; }
SESAME_INLINE Lanes min(Lanes a, Lanes b) { return {_mm512_min_ps(a.v, b.v)}; }
SESAME_INLINE Lanes max(Lanes a, Lanes b) { return {_mm512_max_ps(a.v, b.v)}; }
SESAME_INLINE Lanes abs(Lanes a) { return {_mm512_andnot_ps(_mm512_set1_ps(-0.0f), a.v)}; }
SESAME_INLINE Lanes min_abs(Lanes a, Lanes bound) {
  constexpr int kLeastMagnitude = 0b10, kClearSign = 0b1000;
  return {_mm512_range_ps(a.v, bound.v, kLeastMagnitude | kClearSign)};
}
SESAME_INLINE Lanes copysign(Lanes magnitude, Lanes sign) {
  // 0xCA: sign where the selector's bit is set, else magnitude.
  return {_mm512_castsi512_ps(_mm512_ternarylogic_epi32(_mm512_castps_si512(_mm512_set1_ps(-0.0f)),
                                                        _mm512_castps_si512(sign.v), _mm512_castps_si512(magnitude.v),
                                                        0xCA))};
}

SESAME_INLINE Mask less(Lanes a, Lanes b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
SESAME_INLINE Mask is_nan(Lanes a) { return {_mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q)}; }
SESAME_INLINE Lanes select(Mask mask, Lanes yes, Lanes no) { return {_mm512_mask_mov_ps(no.v, mask.v, yes.v)}; }
SESAME_INLINE Lanes first(Lanes a, std::size_t n, float fill) {
  return {_mm512_mask_mov_ps(_mm512_set1_ps(fill), first_mask(n), a.v)};
}

SESAME_INLINE Lanes round_half_even(Lanes a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
SESAME_INLINE Lanes from_nearest(Lanes a) {
  return {_mm512_reduce_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
SESAME_INLINE Ints to_int(Lanes a) { return {_mm512_cvtps_epi32(a.v)}; }
SESAME_INLINE Lanes to_float(Ints a) { return {_mm512_cvtepi32_ps(a.v)}; }
SESAME_INLINE Ints bits(Lanes a) { return {_mm512_castps_si512(a.v)}; }
SESAME_INLINE Lanes from_bits(Ints a) { return {_mm512_castsi512_ps(a.v)}; }

SESAME_INLINE Lanes scale_2(Lanes a, Lanes n) { return {_mm512_scalef_ps(a.v, n.v)}; }

SESAME_INLINE Ints operator+(Ints a, Ints b) { return {_mm512_add_epi32(a.v, b.v)}; }
SESAME_INLINE Ints operator*(Ints a, Ints b) { return {_mm512_mullo_epi32(a.v, b.v)}; }
SESAME_INLINE Ints operator&(Ints a, Ints b) { return {_mm512_and_si512(a.v, b.v)}; }
SESAME_INLINE Ints max(Ints a, Ints b) { return {_mm512_max_epi32(a.v, b.v)}; }
template <int count>
SESAME_INLINE Ints shift_left(Ints a) {
  return {_mm512_slli_epi32(a.v, count)};
}
SESAME_INLINE Lanes lookup16(const float* table, Ints index) {
  return {_mm512_permutexvar_ps(index.v, _mm512_loadu_ps(table))};
}

SESAME_INLINE Lanes gather(const float* p, Ints index) { return {_mm512_i32gather_ps(index.v, p, 4)}; }

// Quarter q of the result is 4 floats of row 4q, given row 0 of each.
SESAME_INLINE __m512 load_quarters(const float* const* row, std::size_t d) {
  __m512 four = _mm512_castps128_ps512(_mm_loadu_ps(row[0] + d));
  four = _mm512_insertf32x4(four, _mm_loadu_ps(row[4] + d), 1);
  four = _mm512_insertf32x4(four, _mm_loadu_ps(row[8] + d), 2);
  return _mm512_insertf32x4(four, _mm_loadu_ps(row[12] + d), 3);
}
SESAME_INLINE void load_transposed(const float* const* row, std::size_t d, Lanes (&column)[4]) {
  const __m512 r0 = load_quarters(row, d), r1 = load_quarters(row + 1, d);
  const __m512 r2 = load_quarters(row + 2, d), r3 = load_quarters(row + 3, d);
  const __m512d low01 = _mm512_castps_pd(_mm512_unpacklo_ps(r0, r1));
  const __m512d low23 = _mm512_castps_pd(_mm512_unpacklo_ps(r2, r3));
  const __m512d high01 = _mm512_castps_pd(_mm512_unpackhi_ps(r0, r1));
  const __m512d high23 = _mm512_castps_pd(_mm512_unpackhi_ps(r2, r3));
  column[0] = {_mm512_castpd_ps(_mm512_unpacklo_pd(low01, low23))};
  column[1] = {_mm512_castpd_ps(_mm512_unpackhi_pd(low01, low23))};
  column[2] = {_mm512_castpd_ps(_mm512_unpacklo_pd(high01, high23))};
  column[3] = {_mm512_castpd_ps(_mm512_unpackhi_pd(high01, high23))};
}

SESAME_INLINE void store_u8(std::uint8_t* p, Ints a, Ints b, Ints c, Ints d) {
  // The packs work within 128-bit quarters: dword 4q + j of `bytes` holds the four lanes of quarter q of operand j.
  const __m512i bytes = _mm512_packus_epi16(_mm512_packs_epi32(a.v, b.v), _mm512_packs_epi32(c.v, d.v));
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  _mm512_storeu_si512(p, _mm512_permutexvar_epi32(order, bytes));
}
SESAME_INLINE void store_u8(std::uint8_t* p, Ints a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a.v));
}
SESAME_INLINE void store_u8(std::uint8_t* p, Ints a, std::size_t n) {
  _mm_mask_storeu_epi8(p, first_mask(n), _mm512_cvtepi32_epi8(a.v));
}

SESAME_INLINE void store_plus_128(std::uint8_t* p, Ints a, Ints b, Ints c, Ints d) {
  const __m512i bytes = _mm512_packs_epi16(_mm512_packs_epi32(a.v, b.v), _mm512_packs_epi32(c.v, d.v));
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i offset = _mm512_set1_epi8(static_cast<char>(0x80));
  _mm512_storeu_si512(p, _mm512_xor_si512(_mm512_permutexvar_epi32(order, bytes), offset));
}

SESAME_INLINE Ints load_u8(const std::uint8_t* p) {
  return {_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
}
SESAME_INLINE Ints load_u8(const std::uint8_t* p, std::size_t n) {
  return {_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(first_mask(n), p))};
}
SESAME_INLINE Ints load_s32(const std::int32_t* p) { return {_mm512_loadu_si512(p)}; }
SESAME_INLINE Ints load_s32(const std::int32_t* p, std::size_t n) {
  return {_mm512_maskz_loadu_epi32(first_mask(n), p)};
}

// Each step halves what is left of two vectors and puts them into one.
SESAME_INLINE Ints max_of_each(const Ints (&a)[16]) {
  __m512i half[8], quarter[4], pair[2];
  for (int i = 0; i < 8; ++i) {  // rows i and i + 8
    half[i] = _mm512_max_epi32(_mm512_shuffle_i32x4(a[i].v, a[i + 8].v, 0x44),
                               _mm512_shuffle_i32x4(a[i].v, a[i + 8].v, 0xEE));
  }
  for (int i = 0; i < 4; ++i) {  // rows i, i + 8, i + 4, i + 12, four lanes each
    quarter[i] = _mm512_max_epi32(_mm512_shuffle_i32x4(half[i], half[i + 4], 0x88),
                                  _mm512_shuffle_i32x4(half[i], half[i + 4], 0xDD));
  }
  for (int i = 0; i < 2; ++i) {  // in each quarter, two lanes of row i and two of row i + 2
    pair[i] = _mm512_max_epi32(_mm512_unpacklo_epi64(quarter[i], quarter[i + 2]),
                               _mm512_unpackhi_epi64(quarter[i], quarter[i + 2]));
  }
  // In each quarter rows 0, 2, 1 and 3 beyond its first row.
  const __m512 even = _mm512_castsi512_ps(pair[0]), odd = _mm512_castsi512_ps(pair[1]);
  const __m512i all = _mm512_max_epi32(_mm512_castps_si512(_mm512_shuffle_ps(even, odd, 0x88)),
                                       _mm512_castps_si512(_mm512_shuffle_ps(even, odd, 0xDD)));
  const __m512i order = _mm512_setr_epi32(0, 2, 1, 3, 8, 10, 9, 11, 4, 6, 5, 7, 12, 14, 13, 15);
  return {_mm512_permutexvar_epi32(order, all)};
}

SESAME_INLINE float reduce_add(Lanes a) {
  return reduce_add8(_mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1)));
}
SESAME_INLINE float reduce_max(Lanes a) {
  return reduce_max8(_mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1)));
}
SESAME_INLINE std::int32_t reduce_max(Ints a) {
  return reduce_max8(_mm256_max_epi32(_mm512_castsi512_si256(a.v), _mm512_extracti64x4_epi64(a.v, 1)));
}

}  // namespace sesame::kernels::SESAME_LEVEL
