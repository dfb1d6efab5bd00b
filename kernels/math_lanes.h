// exp, erf, tanh and the activations over lanes.h: own polynomials, never libm, so that every level gives the same
// bits.
//
//   exp        0.98 ulp                  x > 88.72283: infinity; results below 2^-126: 0
//   exp2_coarse  1.02e-4 of it           x < -64 counts as -64
//   erf        1.42 ulp                  odd, +-1 from 3.98 on
//   tanh       1.59 ulp                  odd, +-1 from 9.02 on
//   gelu_erf   6.7e-8 * max(1, |x|)      against x Phi(x);  x itself above 5.625, within 6e-8 of 0 below -5.625
//   gelu_tanh  6.7e-8 * max(1, |x|)      against its formula; the same
//   for 8 bits: GELUs within 9.0e-5 * max(1, |x|); x itself above 4.21875, 0 below -4.21875
//
// Worst errors measured over all floats (tests/kernels/math_lanes_test.cc). NaN gives NaN. Both GELUs give 0 for
// -infinity, the limit.
//
// On AVX-512 a GELU is 16 instructions for the two vector ports, 8 cycles for 16 lanes (12 and 6 for 8 bits); by way of
// erf it would be 26 FMAs.
#pragma once

#include "kernels/lanes.h"
#include "kernels/math_constants.h"
#include "kernels/table.h"

namespace sesame::kernels::SESAME_LEVEL {

// 2^n exp(r) for x in [kExpLowest, kExpHighest]; NaN for NaN; anything for other x.
SESAME_INLINE Lanes exp_in_range(Lanes x) {
  const Lanes magic = splat(kRoundingMagic);
  const Lanes n = fma(x, splat(kLog2E), magic) - magic;
  const Lanes r = fma(n, splat(-kLn2Low), fma(n, splat(-kLn2High), x));
  Lanes p = splat(kExpCoefficient[4]);
  p = fma(p, r, splat(kExpCoefficient[3]));
  p = fma(p, r, splat(kExpCoefficient[2]));
  p = fma(p, r, splat(kExpCoefficient[1]));
  p = fma(p, r, splat(kExpCoefficient[0]));
  p = fma(p, r, splat(1.0f));
  p = fma(p, r, splat(1.0f));
  return scale_2(p, n);
}

// exp(x) for x <= 0 or NaN.
SESAME_INLINE Lanes exp_nonpositive(Lanes x) { return select(less(x, splat(kExpLowest)), zero(), exp_in_range(x)); }

SESAME_INLINE Lanes exp(Lanes x) {
  return select(less(splat(kExpHighest), x), splat(__builtin_inff()), exp_nonpositive(x));
}

// exp2_coarse in two halves, for loops that have many to compute: the first half of the next ones fills the waits of
// the second.
struct Exp2Split {
  Lanes whole, fraction;
};

SESAME_INLINE Exp2Split exp2_split(Lanes x) {
  x = max(splat(kExp2Lowest), x);
  const Lanes fraction = from_nearest(x);
  return {x - fraction, fraction};
}

SESAME_INLINE Lanes exp2_join(const Exp2Split& x) {
  Lanes p = splat(kExp2Coefficient[2]);
  p = fma(p, x.fraction, splat(kExp2Coefficient[1]));
  p = fma(p, x.fraction, splat(kExp2Coefficient[0]));
  return scale_2(fma(p, x.fraction, splat(1.0f)), x.whole);
}

// 2^x for x < 127, and 2^kExp2Lowest for any x below kExp2Lowest: for weights that 8 bits will hold. NaN gives NaN.
SESAME_INLINE Lanes exp2_coarse(Lanes x) { return exp2_join(exp2_split(x)); }

// The function of `pieces` at 0 <= a <= its last point; NaN gives NaN.
template <int degree>
SESAME_INLINE Lanes piecewise(const Pieces<degree>& pieces, Lanes a) {
  const Lanes magic = splat(kRoundingMagic);
  const Lanes shifted = fma(a, splat(pieces.per_step), magic);
  const Lanes d = fma(shifted - magic, splat(-pieces.step), a);
  const Ints n = bits(shifted);
  Lanes p = lookup16(pieces.coefficient[degree], n);
#pragma GCC unroll 8
  for (int k = degree - 1; k >= 0; --k) p = fma(p, d, lookup16(pieces.coefficient[k], n));
  return p;
}

SESAME_INLINE Lanes erf(Lanes x) {
  const Lanes a = min(splat(15.0f * kErfOverX.step), abs(x));
  return copysign(min(splat(1.0f), fma(a, piecewise(kErfOverX, a), a * splat(0.5f))), x);
}

SESAME_INLINE Lanes tanh_small(Lanes x) {
  const Lanes u = x * x;
  Lanes p = splat(kTanhCoefficient[4]);
  p = fma(p, u, splat(kTanhCoefficient[3]));
  p = fma(p, u, splat(kTanhCoefficient[2]));
  p = fma(p, u, splat(kTanhCoefficient[1]));
  p = fma(p, u, splat(kTanhCoefficient[0]));
  return fma(p * u, x, x);
}

SESAME_INLINE Lanes tanh(Lanes x) {
  const Lanes a = min(splat(kTanhOne), abs(x));
  const Lanes large = splat(1.0f) - splat(2.0f) / (exp_in_range(a + a) + splat(1.0f));
  return copysign(select(less(a, splat(kTanhSmall)), tanh_small(a), large), x);
}

SESAME_INLINE Lanes relu(Lanes x) { return max(zero(), x); }

// relu(x) - tail(|x|), constant from the tail's last point on; NaN gives NaN.
template <int degree>
SESAME_INLINE Lanes gelu(const Pieces<degree>& tail, Lanes x) {
  return relu(x) - piecewise(tail, min_abs(x, splat(15.0f * tail.step)));
}

SESAME_INLINE Lanes gelu_erf(Lanes x) { return gelu(kGeluErfTail, x); }
SESAME_INLINE Lanes gelu_tanh(Lanes x) { return gelu(kGeluTanhTail, x); }

// act(x), the activation known when compiling: a GEMM's epilogue has one instance for each.
template <Activation activation>
SESAME_INLINE Lanes activate(Lanes x) {
  if constexpr (activation == Activation::gelu_erf) return gelu_erf(x);
  if constexpr (activation == Activation::gelu_tanh) return gelu_tanh(x);
  if constexpr (activation == Activation::relu) return relu(x);
  if constexpr (activation == Activation::tanh) return tanh(x);
  return x;
}

// The same for what becomes 8-bit integers: a GELU with a shorter polynomial.
template <Activation activation>
SESAME_INLINE Lanes activate_short(Lanes x) {
  if constexpr (activation == Activation::gelu_erf) return gelu(kGeluErfTailShort, x);
  if constexpr (activation == Activation::gelu_tanh) return gelu(kGeluTanhTailShort, x);
  return activate<activation>(x);
}

}  // namespace sesame::kernels::SESAME_LEVEL
