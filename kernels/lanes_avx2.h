// lanes.h for AVX2 and FMA: two ymm registers. Include lanes.h.
#pragma once

#include <xsimd/xsimd.hpp>

#include "kernels/lanes_tree.h"

namespace sesame::kernels::SESAME_LEVEL {

using Batch = xsimd::batch<float, xsimd::avx2>;

struct Lanes {
  Batch lo, hi;
};
struct Ints {
  __m256i lo, hi;
};
struct Mask {
  __m256 lo, hi;
};

SESAME_INLINE Lanes splat(float x) { return {Batch(x), Batch(x)}; }
SESAME_INLINE Ints splat(std::int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
SESAME_INLINE Lanes zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }

// Lanes [0, n) of 16.
SESAME_INLINE Mask first_mask(std::size_t n) {
  const __m256i count = _mm256_set1_epi32(static_cast<int>(n));
  return {_mm256_castsi256_ps(_mm256_cmpgt_epi32(count, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))),
          _mm256_castsi256_ps(_mm256_cmpgt_epi32(count, _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15)))};
}

SESAME_INLINE Lanes load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
SESAME_INLINE void store(float* p, Lanes a) {
  _mm256_storeu_ps(p, a.lo);
  _mm256_storeu_ps(p + 8, a.hi);
}
SESAME_INLINE void store(float* p, Lanes a, std::size_t n) {
  const Mask mask = first_mask(n);
  _mm256_maskstore_ps(p, _mm256_castps_si256(mask.lo), a.lo);
  _mm256_maskstore_ps(p + 8, _mm256_castps_si256(mask.hi), a.hi);
}

SESAME_INLINE Lanes operator+(Lanes a, Lanes b) { return {a.lo + b.lo, a.hi + b.hi}; }
SESAME_INLINE Lanes operator-(Lanes a, Lanes b) { return {a.lo - b.lo, a.hi - b.hi}; }
SESAME_INLINE Lanes operator*(Lanes a, Lanes b) { return {a.lo * b.lo, a.hi * b.hi}; }
SESAME_INLINE Lanes operator/(Lanes a, Lanes b) { return {a.lo / b.lo, a.hi / b.hi}; }
SESAME_INLINE Lanes fma(Lanes a, Lanes b, Lanes c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
SESAME_INLINE Lanes sqrt(Lanes a) { return {_mm256_sqrt_ps(a.lo), _mm256_sqrt_ps(a.hi)}; }
SESAME_INLINE Lanes min(Lanes a, Lanes b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
SESAME_INLINE Lanes max(Lanes a, Lanes b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
SESAME_INLINE Lanes abs(Lanes a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi)};
}
SESAME_INLINE Lanes min_abs(Lanes a, Lanes bound) { return min(bound, abs(a)); }
SESAME_INLINE Lanes copysign(Lanes magnitude, Lanes sign) {
  const __m256 bit = _mm256_set1_ps(-0.0f);
  return {_mm256_or_ps(_mm256_andnot_ps(bit, magnitude.lo), _mm256_and_ps(bit, sign.lo)),
          _mm256_or_ps(_mm256_andnot_ps(bit, magnitude.hi), _mm256_and_ps(bit, sign.hi))};
}

SESAME_INLINE Mask less(Lanes a, Lanes b) {
  return {_mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ)};
}
SESAME_INLINE Mask is_nan(Lanes a) {
  return {_mm256_cmp_ps(a.lo, a.lo, _CMP_UNORD_Q), _mm256_cmp_ps(a.hi, a.hi, _CMP_UNORD_Q)};
}
SESAME_INLINE Lanes select(Mask mask, Lanes yes, Lanes no) {
  return {_mm256_blendv_ps(no.lo, yes.lo, mask.lo), _mm256_blendv_ps(no.hi, yes.hi, mask.hi)};
}
SESAME_INLINE Lanes first(Lanes a, std::size_t n, float fill) { return select(first_mask(n), a, splat(fill)); }
SESAME_INLINE Lanes load(const float* p, std::size_t n, float fill) {
  // By way of a buffer: QEMU reads all of the memory of a masked load.
  alignas(32) float buffer[kLanes];
  store(buffer, splat(fill));
  for (std::size_t l = 0; l < n; ++l) buffer[l] = p[l];
  return load(buffer);
}

SESAME_INLINE Lanes round_half_even(Lanes a) {
  constexpr int kMode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(a.lo, kMode), _mm256_round_ps(a.hi, kMode)};
}
SESAME_INLINE Lanes from_nearest(Lanes a) { return a - round_half_even(a); }
SESAME_INLINE Ints to_int(Lanes a) { return {_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi)}; }
SESAME_INLINE Lanes to_float(Ints a) { return {_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)}; }
SESAME_INLINE Ints bits(Lanes a) { return {_mm256_castps_si256(a.lo), _mm256_castps_si256(a.hi)}; }
SESAME_INLINE Lanes from_bits(Ints a) { return {_mm256_castsi256_ps(a.lo), _mm256_castsi256_ps(a.hi)}; }

SESAME_INLINE Ints operator+(Ints a, Ints b) { return {_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)}; }
SESAME_INLINE Ints operator*(Ints a, Ints b) {
  return {_mm256_mullo_epi32(a.lo, b.lo), _mm256_mullo_epi32(a.hi, b.hi)};
}
SESAME_INLINE Ints operator&(Ints a, Ints b) { return {_mm256_and_si256(a.lo, b.lo), _mm256_and_si256(a.hi, b.hi)}; }
SESAME_INLINE Ints max(Ints a, Ints b) { return {_mm256_max_epi32(a.lo, b.lo), _mm256_max_epi32(a.hi, b.hi)}; }
template <int count>
SESAME_INLINE Ints shift_left(Ints a) {
  return {_mm256_slli_epi32(a.lo, count), _mm256_slli_epi32(a.hi, count)};
}

// VPERMPS picks by the low three bits; bit 3, moved to the sign, picks the half of the table.
SESAME_INLINE __m256 lookup16_half(__m256 table_lo, __m256 table_hi, __m256i index) {
  return _mm256_blendv_ps(_mm256_permutevar8x32_ps(table_lo, index), _mm256_permutevar8x32_ps(table_hi, index),
                          _mm256_castsi256_ps(_mm256_slli_epi32(index, 28)));
}
SESAME_INLINE Lanes scale_2(Lanes a, Lanes n) {
  return select(is_nan(a + n), a + n, from_bits(bits(a) + shift_left<23>(to_int(n))));
}
SESAME_INLINE Lanes lookup16(const float* table, Ints index) {
  const __m256 lo = _mm256_loadu_ps(table), hi = _mm256_loadu_ps(table + 8);
  return {lookup16_half(lo, hi, index.lo), lookup16_half(lo, hi, index.hi)};
}

SESAME_INLINE Lanes gather(const float* p, Ints index) {
  return {_mm256_i32gather_ps(p, index.lo, 4), _mm256_i32gather_ps(p, index.hi, 4)};
}

// 8 rows of 4 floats at `d` to 4 columns of 8.
SESAME_INLINE void load_transposed8(const float* const* row, std::size_t d, __m256 (&column)[4]) {
  const auto halves = [&](int r) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(row[r] + d)), _mm_loadu_ps(row[r + 4] + d), 1);
  };
  const __m256 r0 = halves(0), r1 = halves(1), r2 = halves(2), r3 = halves(3);
  const __m256d low01 = _mm256_castps_pd(_mm256_unpacklo_ps(r0, r1)),
                low23 = _mm256_castps_pd(_mm256_unpacklo_ps(r2, r3));
  const __m256d high01 = _mm256_castps_pd(_mm256_unpackhi_ps(r0, r1));
  const __m256d high23 = _mm256_castps_pd(_mm256_unpackhi_ps(r2, r3));
  column[0] = _mm256_castpd_ps(_mm256_unpacklo_pd(low01, low23));
  column[1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low01, low23));
  column[2] = _mm256_castpd_ps(_mm256_unpacklo_pd(high01, high23));
  column[3] = _mm256_castpd_ps(_mm256_unpackhi_pd(high01, high23));
}
SESAME_INLINE void load_transposed(const float* const* row, std::size_t d, Lanes (&column)[4]) {
  __m256 lo[4], hi[4];
  load_transposed8(row, d, lo);
  load_transposed8(row + 8, d, hi);
  for (int i = 0; i < 4; ++i) column[i] = {lo[i], hi[i]};
}

SESAME_INLINE void store_u8(std::uint8_t* p, Ints a, Ints b, Ints c, Ints d) {
  // The packs work within 128-bit halves: dword 4q + j of `bytes` holds four lanes of operand j / 2, quarter q + 2 (j %
  // 2).
  const auto pack = [](__m256i w, __m256i x, __m256i y, __m256i z) {
    const __m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(w, x), _mm256_packs_epi32(y, z));
    return _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  };
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), pack(a.lo, a.hi, b.lo, b.hi));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 32), pack(c.lo, c.hi, d.lo, d.hi));
}
SESAME_INLINE void store_plus_128(std::uint8_t* p, Ints a, Ints b, Ints c, Ints d) {
  const Ints offset = splat(std::int32_t{128});
  store_u8(p, a + offset, b + offset, c + offset, d + offset);
}
SESAME_INLINE __m128i to_bytes(Ints a) {
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a.lo, a.hi), _MM_SHUFFLE(3, 1, 2, 0));
  return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}
SESAME_INLINE void store_u8(std::uint8_t* p, Ints a) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), to_bytes(a)); }
SESAME_INLINE void store_u8(std::uint8_t* p, Ints a, std::size_t n) {
  alignas(16) std::uint8_t buffer[kLanes];
  _mm_store_si128(reinterpret_cast<__m128i*>(buffer), to_bytes(a));
  for (std::size_t l = 0; l < n; ++l) p[l] = buffer[l];
}

SESAME_INLINE Ints load_u8(const std::uint8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm256_cvtepu8_epi32(bytes), _mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8))};
}
SESAME_INLINE Ints load_u8(const std::uint8_t* p, std::size_t n) {
  std::uint8_t buffer[kLanes] = {};
  for (std::size_t l = 0; l < n; ++l) buffer[l] = p[l];
  return load_u8(buffer);
}
SESAME_INLINE Ints load_s32(const std::int32_t* p) {
  const auto* half = reinterpret_cast<const __m256i*>(p);
  return {_mm256_loadu_si256(half), _mm256_loadu_si256(half + 1)};
}
SESAME_INLINE Ints load_s32(const std::int32_t* p, std::size_t n) {
  std::int32_t buffer[kLanes] = {};
  for (std::size_t l = 0; l < n; ++l) buffer[l] = p[l];
  return load_s32(buffer);
}

SESAME_INLINE Ints max_of_each(const Ints (&a)[16]) {
  alignas(32) std::int32_t greatest[16];
  for (int l = 0; l < 16; ++l) greatest[l] = reduce_max8(_mm256_max_epi32(a[l].lo, a[l].hi));
  return load_s32(greatest);
}
SESAME_INLINE float reduce_add(Lanes a) { return reduce_add8(a.lo + a.hi); }
SESAME_INLINE float reduce_max(Lanes a) { return reduce_max8(_mm256_max_ps(a.lo, a.hi)); }
SESAME_INLINE std::int32_t reduce_max(Ints a) { return reduce_max8(_mm256_max_epi32(a.lo, a.hi)); }

}  // namespace sesame::kernels::SESAME_LEVEL
