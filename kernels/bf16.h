// bf16 arithmetic on single values: conversion, and the multiply-add that VDPBF16PS does twice a pair. Forced inline in
// an unnamed namespace, so that files of any level may use it.
//
// Denormals count as zero wherever bf16 is made or multiplied, at every level, since that is what the instructions do
// whatever MXCSR says: a denormal operand counts as a zero of its sign, and so does a result that would be denormal.
#pragma once

#include <cstdint>

namespace sesame::kernels {
namespace {

// The bits of x rounded to bf16, half to even. NaN stays NaN and becomes quiet; denormals become a zero of their sign;
// what is beyond the range becomes infinity.
[[gnu::always_inline]] inline std::uint16_t to_bf16(float x) {
  const auto bits = __builtin_bit_cast(std::uint32_t, x);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  const std::uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1)) >> 16;
  const std::uint32_t quiet = (bits >> 16) | 0x40u, zero = (bits >> 16) & 0x8000u;
  const std::uint32_t number = magnitude < 0x00800000u ? zero : rounded;
  return static_cast<std::uint16_t>(magnitude > 0x7F800000u ? quiet : number);
}

[[gnu::always_inline]] inline float from_bf16(std::uint16_t bits) {
  return __builtin_bit_cast(float, static_cast<std::uint32_t>(bits) << 16);
}

// A denormal as a zero of its sign, everything else as it is.
[[gnu::always_inline]] inline float flushed(float x) {
  return __builtin_fabsf(x) < 0x1p-126f ? __builtin_copysignf(0.0f, x) : x;
}

// fma(a, b, c) with denormals flushed, for a and b of bf16's width. A result is denormal when it would be below 2^-126
// if the exponent had no bound: below 2^-126 - 2^-151, from where 24 bits round up to 2^-126. The ordinary fma rounds
// to multiples of 2^-149 there and so reaches 2^-126 from further down; products of 16 bits show the difference in a
// double.
[[gnu::always_inline]] inline float fma_flushed(float a, float b, float c) {
  a = flushed(a), b = flushed(b), c = flushed(c);
  const float result = __builtin_fmaf(a, b, c);
  if (!(__builtin_fabsf(result) <= 0x1p-126f)) return result;
  const double sum = static_cast<double>(a) * static_cast<double>(b) + static_cast<double>(c);
  return __builtin_fabs(sum) < 0x1p-126 - 0x1p-151 ? __builtin_copysignf(0.0f, result) : result;
}

// a + b with denormals flushed. A sum that is denormal is exact, so its magnitude says all.
[[gnu::always_inline]] inline float add_flushed(float a, float b) { return flushed(flushed(a) + flushed(b)); }

}  // namespace
}  // namespace sesame::kernels
