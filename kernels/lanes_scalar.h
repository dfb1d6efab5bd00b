// lanes.h for the x86-64 baseline: 16 floats in plain loops. Include lanes.h.
#pragma once

namespace sesame::kernels::SESAME_LEVEL {

struct Lanes {
  float v[kLanes];
};
struct Ints {
  std::int32_t v[kLanes];
};
struct Mask {
  bool v[kLanes];
};

template <class Result = Lanes, class Function>
SESAME_INLINE Result each_lane(Function function) {
  Result r;
  for (std::size_t l = 0; l < kLanes; ++l) r.v[l] = function(l);
  return r;
}

SESAME_INLINE Lanes splat(float x) {
  return each_lane([&](std::size_t) { return x; });
}
SESAME_INLINE Ints splat(std::int32_t x) {
  return each_lane<Ints>([&](std::size_t) { return x; });
}
SESAME_INLINE Lanes zero() { return splat(0.0f); }

SESAME_INLINE Lanes load(const float* p) {
  return each_lane([&](std::size_t l) { return p[l]; });
}
SESAME_INLINE Lanes load(const float* p, std::size_t n, float fill) {
  return each_lane([&](std::size_t l) { return l < n ? p[l] : fill; });
}
SESAME_INLINE void store(float* p, Lanes a) {
  for (std::size_t l = 0; l < kLanes; ++l) p[l] = a.v[l];
}
SESAME_INLINE void store(float* p, Lanes a, std::size_t n) {
  for (std::size_t l = 0; l < n; ++l) p[l] = a.v[l];
}

SESAME_INLINE Lanes operator+(Lanes a, Lanes b) {
  return each_lane([&](std::size_t l) { return a.v[l] + b.v[l]; });
}
SESAME_INLINE Lanes operator-(Lanes a, Lanes b) {
  return each_lane([&](std::size_t l) { return a.v[l] - b.v[l]; });
}
SESAME_INLINE Lanes operator*(Lanes a, Lanes b) {
  return each_lane([&](std::size_t l) { return a.v[l] * b.v[l]; });
}
SESAME_INLINE Lanes operator/(Lanes a, Lanes b) {
  return each_lane([&](std::size_t l) { return a.v[l] / b.v[l]; });
}
SESAME_INLINE Lanes fma(Lanes a, Lanes b, Lanes c) {
  return each_lane([&](std::size_t l) { return __builtin_fmaf(a.v[l], b.v[l], c.v[l]); });
}
SESAME_INLINE Lanes sqrt(Lanes a) {
  return each_lane([&](std::size_t l) { return sqrt(a.v[l]); });
}
SESAME_INLINE Lanes min(Lanes a, Lanes b) {
  return each_lane([&](std::size_t l) { return a.v[l] < b.v[l] ? a.v[l] : b.v[l]; });
}
SESAME_INLINE Lanes max(Lanes a, Lanes b) {
  return each_lane([&](std::size_t l) { return a.v[l] > b.v[l] ? a.v[l] : b.v[l]; });
}
SESAME_INLINE Lanes abs(Lanes a) {
  return each_lane([&](std::size_t l) { return __builtin_fabsf(a.v[l]); });
}
SESAME_INLINE Lanes min_abs(Lanes a, Lanes bound) { return min(bound, abs(a)); }
SESAME_INLINE Lanes copysign(Lanes magnitude, Lanes sign) {
  return each_lane([&](std::size_t l) { return __builtin_copysignf(magnitude.v[l], sign.v[l]); });
}

SESAME_INLINE Mask less(Lanes a, Lanes b) {
  return each_lane<Mask>([&](std::size_t l) { return a.v[l] < b.v[l]; });
}
SESAME_INLINE Mask is_nan(Lanes a) {
  return each_lane<Mask>([&](std::size_t l) { return a.v[l] != a.v[l]; });
}
SESAME_INLINE Lanes select(Mask mask, Lanes yes, Lanes no) {
  return each_lane([&](std::size_t l) { return mask.v[l] ? yes.v[l] : no.v[l]; });
}
SESAME_INLINE Lanes first(Lanes a, std::size_t n, float fill) {
  return each_lane([&](std::size_t l) { return l < n ? a.v[l] : fill; });
}

SESAME_INLINE Lanes round_half_even(Lanes a) {
  // Above 2^23 every float is integral; below, adding 2^23 leaves no room for a fraction.
  constexpr float kIntegral = 8388608.0f;
  return each_lane([&](std::size_t l) {
    const float magnitude = __builtin_fabsf(a.v[l]);
    const float rounded = (magnitude + kIntegral) - kIntegral;
    return __builtin_copysignf(magnitude < kIntegral ? rounded : a.v[l], a.v[l]);
  });
}
SESAME_INLINE Lanes from_nearest(Lanes a) { return a - round_half_even(a); }
SESAME_INLINE Ints to_int(Lanes a) {
  return each_lane<Ints>([&](std::size_t l) { return _mm_cvtss_si32(_mm_set_ss(a.v[l])); });
}
SESAME_INLINE Lanes to_float(Ints a) {
  return each_lane([&](std::size_t l) { return static_cast<float>(a.v[l]); });
}
SESAME_INLINE Ints bits(Lanes a) {
  return each_lane<Ints>([&](std::size_t l) { return __builtin_bit_cast(std::int32_t, a.v[l]); });
}
SESAME_INLINE Lanes from_bits(Ints a) {
  return each_lane([&](std::size_t l) { return __builtin_bit_cast(float, a.v[l]); });
}

SESAME_INLINE Ints operator+(Ints a, Ints b) {
  return each_lane<Ints>([&](std::size_t l) {
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(a.v[l]) + static_cast<std::uint32_t>(b.v[l]));
  });
}
SESAME_INLINE Ints operator*(Ints a, Ints b) {
  return each_lane<Ints>([&](std::size_t l) {
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(a.v[l]) * static_cast<std::uint32_t>(b.v[l]));
  });
}
SESAME_INLINE Ints operator&(Ints a, Ints b) {
  return each_lane<Ints>([&](std::size_t l) { return a.v[l] & b.v[l]; });
}
SESAME_INLINE Ints max(Ints a, Ints b) {
  return each_lane<Ints>([&](std::size_t l) { return a.v[l] > b.v[l] ? a.v[l] : b.v[l]; });
}
template <int count>
SESAME_INLINE Ints shift_left(Ints a) {
  return each_lane<Ints>(
      [&](std::size_t l) { return static_cast<std::int32_t>(static_cast<std::uint32_t>(a.v[l]) << count); });
}
SESAME_INLINE Lanes scale_2(Lanes a, Lanes n) {
  return select(is_nan(a + n), a + n, from_bits(bits(a) + shift_left<23>(to_int(n))));
}
SESAME_INLINE Lanes lookup16(const float* table, Ints index) {
  return each_lane([&](std::size_t l) { return table[index.v[l] & 15]; });
}

SESAME_INLINE Lanes gather(const float* p, Ints index) {
  return each_lane([&](std::size_t l) { return p[index.v[l]]; });
}

SESAME_INLINE void load_transposed(const float* const* row, std::size_t d, Lanes (&column)[4]) {
  for (std::size_t i = 0; i < 4; ++i) {
    column[i] = each_lane([&](std::size_t l) { return row[l][d + i]; });
  }
}

SESAME_INLINE void store_u8(std::uint8_t* p, Ints a, std::size_t n) {
  for (std::size_t l = 0; l < n; ++l) p[l] = static_cast<std::uint8_t>(a.v[l]);
}
SESAME_INLINE void store_u8(std::uint8_t* p, Ints a) { store_u8(p, a, kLanes); }
SESAME_INLINE void store_u8(std::uint8_t* p, Ints a, Ints b, Ints c, Ints d) {
  store_u8(p, a);
  store_u8(p + kLanes, b);
  store_u8(p + 2 * kLanes, c);
  store_u8(p + 3 * kLanes, d);
}

SESAME_INLINE Ints load_u8(const std::uint8_t* p, std::size_t n) {
  return each_lane<Ints>([&](std::size_t l) { return l < n ? std::int32_t{p[l]} : 0; });
}
SESAME_INLINE void store_plus_128(std::uint8_t* p, Ints a, Ints b, Ints c, Ints d) {
  const Ints offset = splat(std::int32_t{128});
  store_u8(p, a + offset, b + offset, c + offset, d + offset);
}
SESAME_INLINE Ints load_u8(const std::uint8_t* p) { return load_u8(p, kLanes); }
SESAME_INLINE Ints load_s32(const std::int32_t* p, std::size_t n) {
  return each_lane<Ints>([&](std::size_t l) { return l < n ? p[l] : 0; });
}
SESAME_INLINE Ints load_s32(const std::int32_t* p) { return load_s32(p, kLanes); }

template <class T, class Combine>
SESAME_INLINE auto reduce(T a, Combine combine) {
  for (std::size_t width = kLanes / 2; width > 0; width /= 2) {
    for (std::size_t l = 0; l < width; ++l) a.v[l] = combine(a.v[l], a.v[l + width]);
  }
  return a.v[0];
}
SESAME_INLINE float reduce_add(Lanes a) {
  return reduce(a, [](float x, float y) { return x + y; });
}
SESAME_INLINE float reduce_max(Lanes a) {
  return reduce(a, [](float x, float y) { return x > y ? x : y; });
}
SESAME_INLINE std::int32_t reduce_max(Ints a) {
  return reduce(a, [](std::int32_t x, std::int32_t y) { return x > y ? x : y; });
}

SESAME_INLINE Ints max_of_each(const Ints (&a)[16]) {
  return each_lane<Ints>([&](std::size_t l) { return reduce_max(a[l]); });
}

}  // namespace sesame::kernels::SESAME_LEVEL
