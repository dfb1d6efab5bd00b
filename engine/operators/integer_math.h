// Integer arithmetic that is defined for all operands: sums wrap around, as the machine's do.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "sesame/error.h"

namespace sesame::engine {

template <class T>
T wrapping_add(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
  } else {
    return a + b;
  }
}

template <class T>
T wrapping_sub(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
  } else {
    return a - b;
  }
}

template <class T>
T wrapping_mul(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
  } else {
    return a * b;
  }
}

// Quotient towards zero; the smallest integer over -1 wraps. Throws Error for a zero divisor.
template <class T>
T checked_div(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    if (b == 0) throw Error("integer division by zero");
    if constexpr (std::is_signed_v<T>) {
      if (b == -1) return wrapping_sub(T{0}, a);
    }
    return static_cast<T>(a / b);
  } else {
    return a / b;
  }
}

// A float as an integer: towards zero; NaN and what int64 (for T = int64) or int32 (for the others) cannot hold
// become that type's smallest value, of which narrower types keep the low bits, as x86 conversions do.
template <class T, class Real>
T to_integer(Real x) {
  using Wide = std::conditional_t<sizeof(T) == 8, std::int64_t, std::int32_t>;
  constexpr Real kLimit = sizeof(T) == 8 ? Real(0x1p63) : Real(0x1p31);
  if (!(x > -kLimit - 1 && x < kLimit)) return static_cast<T>(std::numeric_limits<Wide>::min());
  return static_cast<T>(static_cast<Wide>(x));
}

// base to a whole power. Negative exponents give the truncated reciprocal; 0 to a negative power throws Error.
template <class T>
T integer_power(T base, std::int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) throw Error("0 to a negative power");
    if (base == 1) return T{1};
    if (std::is_signed_v<T> && base == static_cast<T>(-1)) return exponent % 2 == 0 ? T{1} : static_cast<T>(-1);
    return T{0};
  }
  T power{1};
  for (T square = base; exponent != 0; exponent >>= 1) {
    if (exponent & 1) power = wrapping_mul(power, square);
    square = wrapping_mul(square, square);
  }
  return power;
}

}  // namespace sesame::engine
