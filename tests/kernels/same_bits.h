// Comparing floats as bits. Any NaN is the same as any other: payloads are not promised.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

namespace sesame::kernels {

inline bool same_bits(float a, float b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

// "" when all n are the same, else the first place that differs with both values.
inline std::string difference(const float* want, const float* got, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    if (same_bits(want[i], got[i])) continue;
    char text[96];
    std::snprintf(text, sizeof text, "[%zu] want %.9g (%a), got %.9g (%a)", i, want[i], want[i], got[i], got[i]);
    return text;
  }
  return "";
}

}  // namespace sesame::kernels
