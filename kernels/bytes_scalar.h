// bytes_lanes.h for the x86-64 baseline, in plain loops. Include bytes_lanes.h.
#pragma once

namespace sesame::kernels::SESAME_LEVEL {

SESAME_INLINE Ints dot4(Ints acc, Ints a, Ints b) {
  return each_lane<Ints>([&](std::size_t l) {
    std::int32_t sum = acc.v[l];
    for (int shift = 0; shift < 32; shift += 8) {
      sum += static_cast<std::uint8_t>(a.v[l] >> shift) * static_cast<std::int8_t>(b.v[l] >> shift);
    }
    return sum;
  });
}

SESAME_INLINE Ints interleave4(Ints i, Ints j, Ints k, Ints l) {
  const auto byte = [](std::int32_t x, int place) { return (static_cast<std::uint32_t>(x) & 0xFF) << (8 * place); };
  return each_lane<Ints>([&](std::size_t n) {
    return static_cast<std::int32_t>(byte(i.v[n], 0) | byte(j.v[n], 1) | byte(k.v[n], 2) | byte(l.v[n], 3));
  });
}

SESAME_INLINE Ints flip_signs(Ints a) {
  return each_lane<Ints>(
      [&](std::size_t l) { return static_cast<std::int32_t>(static_cast<std::uint32_t>(a.v[l]) ^ 0x80808080u); });
}

SESAME_INLINE Ints load_ints(const void* p) {
  Ints a;
  __builtin_memcpy(a.v, p, sizeof a.v);
  return a;
}
SESAME_INLINE void store_ints(void* p, Ints a) { __builtin_memcpy(p, a.v, sizeof a.v); }

}  // namespace sesame::kernels::SESAME_LEVEL
