// What graphs that bring their own quantization need of a row (table.h, "q = round(x / scale) + zero point"), written
// once over lanes.h. rows_<level>.cc includes this once a level.
#pragma once

#include "kernels/lanes.h"
#include "kernels/quantize_impl.h"
#include "kernels/table.h"

namespace sesame::kernels::SESAME_LEVEL {

Range range_row(const float* x, std::size_t n) {
  if (max_magnitude_bits(x, n) >= 0x7F800000) return {__builtin_nanf(""), __builtin_nanf("")};
  Lanes high[4] = {zero(), zero(), zero(), zero()}, low[4] = {zero(), zero(), zero(), zero()};
  for_lanes(n, [&](std::size_t i, auto slot, auto span) SESAME_INLINE_LAMBDA {
    const Lanes v = load(x + i, span, 0.0f);
    high[slot.value] = max(v, high[slot.value]);
    low[slot.value] = max(zero() - v, low[slot.value]);
  });
  return {0.0f - reduce_max(max(max(low[0], low[1]), max(low[2], low[3]))),
          reduce_max(max(max(high[0], high[1]), max(high[2], high[3])))};
}

// Steps of a scale as bytes: saturate(round(v) + zero point). NaN becomes the least.
class ToBytes {
 public:
  SESAME_INLINE explicit ToBytes(const ByteRange& r)
      : low_(splat(static_cast<float>(r.lowest() - r.zero_point))),
        high_(splat(static_cast<float>(r.lowest() + 255 - r.zero_point))),
        zero_point_(splat(r.zero_point)) {}
  SESAME_INLINE Ints operator()(Lanes v) const { return (to_int(min(max(v, low_), high_)) + zero_point_) & splat(255); }

 private:
  Lanes low_, high_;
  Ints zero_point_;
};

// q[i] = bytes(steps(i, Whole or Part)).
template <class Steps>
SESAME_INLINE void store_bytes(std::size_t n, const ByteRange& range, std::uint8_t* q, Steps steps) {
  const ToBytes bytes(range);
  std::size_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    store_u8(q + i, bytes(steps(i, Whole{})), bytes(steps(i + kLanes, Whole{})), bytes(steps(i + 2 * kLanes, Whole{})),
             bytes(steps(i + 3 * kLanes, Whole{})));
  }
  for (; i + kLanes <= n; i += kLanes) store_u8(q + i, bytes(steps(i, Whole{})));
  if (i < n) store_u8(q + i, bytes(steps(i, Part{n - i})), n - i);
}

void quantize_affine_row(const float* x, std::size_t n, float scale, const ByteRange& range, std::uint8_t* q) {
  const Lanes divisor = splat(scale);
  store_bytes(n, range, q,
              [&](std::size_t i, auto span) SESAME_INLINE_LAMBDA { return load(x + i, span, 0.0f) / divisor; });
}

SESAME_INLINE Ints load_s32(const std::int32_t* p, Whole) { return load_s32(p); }
SESAME_INLINE Ints load_s32(const std::int32_t* p, Part part) { return load_s32(p, part.n); }

// float(sums[i] - row_sum * weight_zero[i]) * factor[i].
template <class Span>
SESAME_INLINE Lanes scaled_sums(const SumsRow& row, std::size_t i, Span span) {
  Ints sum = load_s32(row.sums + i, span);
  if (row.weight_zero) sum = sum + splat(-row.row_sum) * load_s32(row.weight_zero + i, span);
  return to_float(sum) * load(row.factor + i, span, 0.0f);
}

void scale_sums_row(const SumsRow& row, const float* bias, std::size_t n, float* y) {
  for_lanes(n, [&](std::size_t i, auto, auto span) SESAME_INLINE_LAMBDA {
    const Lanes product = scaled_sums(row, i, span);
    store(y + i, bias ? product + load(bias + i, span, 0.0f) : product, span);
  });
}

void requantize_sums_row(const SumsRow& row, std::size_t n, const ByteRange& range, std::uint8_t* q) {
  store_bytes(n, range, q, [&](std::size_t i, auto span) SESAME_INLINE_LAMBDA { return scaled_sums(row, i, span); });
}

SESAME_INLINE Ints load_u8(const std::uint8_t* p, Whole) { return load_u8(p); }
SESAME_INLINE Ints load_u8(const std::uint8_t* p, Part part) { return load_u8(p, part.n); }

// Bytes of either sign as numbers: XOR 0x80 and 128 less where they are signed.
template <class Span>
SESAME_INLINE Ints load_bytes(const std::uint8_t* p, bool is_signed, Span span) {
  const Ints q = load_u8(p, span);
  return is_signed ? ((q + splat(128)) & splat(255)) + splat(-128) : q;
}

void dequantize_row(const std::uint8_t* q, std::size_t n, float scale, const ByteRange& range, float* y) {
  const Ints minus_zero = splat(-range.zero_point);
  const Lanes factor = splat(scale);
  for_lanes(n, [&](std::size_t i, auto, auto span) SESAME_INLINE_LAMBDA {
    store(y + i, to_float(load_bytes(q + i, range.is_signed, span) + minus_zero) * factor, span);
  });
}

void add_bytes_row(const std::uint8_t* a, const std::uint8_t* b, std::size_t n, const ByteSum& sum, std::uint8_t* q) {
  const Lanes a_ratio = splat(sum.a_ratio), b_ratio = splat(sum.b_ratio), offset = splat(sum.offset);
  store_bytes(n, {sum.is_signed, 0}, q, [&](std::size_t i, auto span) SESAME_INLINE_LAMBDA {
    const Lanes x = to_float(load_bytes(a + i, sum.is_signed, span));
    const Lanes y = to_float(load_bytes(b + i, sum.is_signed, span));
    return fma(x, a_ratio, fma(y, b_ratio, offset));
  });
}

// As floats, which hold these integers exactly: at most 255 * 65,793 below 2^24.
std::int32_t sum_u8_row(const std::uint8_t* q, std::size_t n) {
  Lanes sum = zero();
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) sum = sum + to_float(load_u8(q + i));
  if (i < n) sum = sum + to_float(load_u8(q + i, n - i));
  return static_cast<std::int32_t>(reduce_add(sum));
}

}  // namespace sesame::kernels::SESAME_LEVEL
