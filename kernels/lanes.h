// Sixteen float lanes as one value: 1 zmm, 2 ymm, or 16 plain floats. Kernels written over it give the same bits at
// every level, because each operation here does, lane by lane:
//
//   load(p), store(p, a)               16 floats, any alignment
//   load(p, n, fill), store(p, a, n)   the first n (0..16); other lanes become `fill`, other memory is not touched
//   splat(x), zero()
//   a + b, a - b, a * b, a / b         rounded to nearest even
//   fma(a, b, c)                       a * b + c rounded once, always fused
//   sqrt(a)                            correctly rounded
//   min(a, b), max(a, b)               a < b ? a : b and a > b ? a : b: b where either is NaN or both are zeros
//   abs(a), copysign(magnitude, sign)  on the sign bit, NaN included
//   min_abs(a, bound)                  min(bound, abs(a)) for bound >= 0; anything where a is NaN
//   less(a, b), is_nan(a)              masks; less is false where either is NaN
//   select(mask, yes, no)
//   first(a, n, fill)                  lanes n.. become `fill`
//   round_half_even(a)                 to an integral float; keeps the sign of zero, infinity and NaN
//   from_nearest(a)                    a - round_half_even(a), exact; zeros of either sign; anything for infinity
//   to_int(a)                          round half to even; outside int32 and for NaN -2^31
//   to_float(i)                        rounded to nearest even
//   scale_2(a, n)                      a * 2^n for integral n, where that is a normal float; NaN where a or n is
//   bits(a), from_bits(i)              the same 32 bits as an integer and as a float
//   i + j, i * j, i & j, max(i, j), shift_left<s>(i)    on Ints, 16 int32 lanes, wrapping around
//   load_u8(p), load_u8(p, n)          16 bytes, or the first n (other lanes 0, other memory not touched), as Ints
//   load_s32(p), load_s32(p, n)        16 int32, or the first n; likewise
//   load_transposed(row, d, column)    column[i] lane l = row[l][d + i], for 4 columns i and 16 rows l
//   lookup16(table, i)                 table[i & 15]
//   gather(p, i)                       p[i]
//   store_u8(p, i), store_u8(p, i, n)  lanes as bytes; every lane must be in [0, 255]
//   store_u8(p, i, j, k, l)            64 of them
//   store_plus_128(p, i, j, k, l)      64 lanes in [-128, 127] as bytes that are 128 more
//   max_of_each(a)                     lane l: the greatest lane of a[l], 16 Ints
//   reduce_add(a), reduce_max(a)       one tree: lane l meets l + 8, then l + 4, l + 2, l + 1, lower lane on the left
//
// NaN stays NaN, but which NaN (its payload and sign) is not promised.
//
// Arithmetic goes through xsimd where its batches are safe. Its fma is two roundings on AVX-512, its reductions have an
// order of their own and it has no partial loads, so these are ours.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/level.h"

namespace sesame::kernels::SESAME_LEVEL {

inline constexpr std::size_t kLanes = 16;

SESAME_INLINE float sqrt(float x) { return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x))); }

}  // namespace sesame::kernels::SESAME_LEVEL

#if defined(__AVX512F__)
#include "kernels/lanes_avx512.h"
#elif defined(__AVX2__)
#include "kernels/lanes_avx2.h"
#else
#include "kernels/lanes_scalar.h"
#endif

namespace sesame::kernels::SESAME_LEVEL {

// How much of a vector at i lies within the row: all of it, or its first n lanes.
struct Whole {};
struct Part {
  std::size_t n;
};

SESAME_INLINE Lanes load(const float* p, Whole, float) { return load(p); }
SESAME_INLINE Lanes load(const float* p, Part part, float fill) { return load(p, part.n, fill); }
SESAME_INLINE void store(float* p, Lanes a, Whole) { store(p, a); }
SESAME_INLINE void store(float* p, Lanes a, Part part) { store(p, a, part.n); }
SESAME_INLINE Lanes first(Lanes a, Whole, float) { return a; }
SESAME_INLINE Lanes first(Lanes a, Part part, float fill) { return first(a, part.n, fill); }

template <int slot>
struct Slot {
  static constexpr int value = slot;
};

// Calls body(i, Slot<i / 16 % 4>, Whole or Part) for i = 0, 16, 32 .. below n; past the last four whole vectors every
// vector is a Part. Four slots, so that a reduction can keep four accumulators and does not wait for its own additions.
// All of it is inlined, so that what `body` captures stays in registers.
template <class Body>
SESAME_INLINE void for_lanes(std::size_t n, Body body) {
  std::size_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    body(i, Slot<0>{}, Whole{});
    body(i + kLanes, Slot<1>{}, Whole{});
    body(i + 2 * kLanes, Slot<2>{}, Whole{});
    body(i + 3 * kLanes, Slot<3>{}, Whole{});
  }
  const auto part = [&](std::size_t at) SESAME_INLINE_LAMBDA { return Part{n - at < kLanes ? n - at : kLanes}; };
  if (i < n) body(i, Slot<0>{}, part(i));
  if (i + kLanes < n) body(i + kLanes, Slot<1>{}, part(i + kLanes));
  if (i + 2 * kLanes < n) body(i + 2 * kLanes, Slot<2>{}, part(i + 2 * kLanes));
  if (i + 3 * kLanes < n) body(i + 3 * kLanes, Slot<3>{}, part(i + 3 * kLanes));
}

// A sum over a row in the one fixed order: element i is added to partial sum i % 64, in ascending i from +0; then
// lane[l] = (partial[l] + partial[16 + l]) + (partial[32 + l] + partial[48 + l]); then reduce_add.
//
// A lane past the end of the row adds +0, which changes no bit: a partial sum starts at +0 and so is never -0.
struct RowSum {
  Lanes partial[4] = {zero(), zero(), zero(), zero()};

  SESAME_INLINE float total() const { return reduce_add((partial[0] + partial[1]) + (partial[2] + partial[3])); }
};

}  // namespace sesame::kernels::SESAME_LEVEL
