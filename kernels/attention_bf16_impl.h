// attention_bf16 of table.h, written once over lanes.h. attention_bf16_<level>.cc includes this once a level.
//
// As attention_f32, on packed keys and values rounded to bf16: both products run in attention_tile.h's tiles with
// another sum. Where that sum is made of ordinary fused multiply-adds they run under flush_denormals.h, and nothing
// else does.
#pragma once

#include "kernels/attention_bf16_layout.h"
#include "kernels/attention_pack.h"
#include "kernels/attention_tile.h"
#include "kernels/bf16.h"
#include "kernels/flush_denormals.h"
#include "kernels/softmax_impl.h"
#include "kernels/table.h"

namespace sesame::kernels::SESAME_LEVEL {

#if defined(__AVX512BF16__)
// VDPBF16PS adds the products of a pair, in the order that the others keep to.
struct Bf16Sum {
  static constexpr bool kPairs = true, kScaled = false;
  struct Environment {};  // it flushes denormals whatever MXCSR says
  static SESAME_INLINE Lanes add(Lanes a, Lanes b, Lanes acc) {
    __m512 sum = acc.v;
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(bits(a).v), "v"(bits(b).v));
    return {sum};
  }
};
#elif defined(__AVX2__)
struct Bf16Sum {
  static constexpr bool kPairs = false, kScaled = false;
  using Environment = FlushDenormals;
  static SESAME_INLINE Lanes add(Lanes a, Lanes b, Lanes acc) { return fma(a, b, acc); }
};
#else
struct Bf16Sum {
  static constexpr bool kPairs = false, kScaled = false;
  struct Environment {};
  static SESAME_INLINE Lanes add(Lanes a, Lanes b, Lanes acc) {
    for (std::size_t l = 0; l < kLanes; ++l) acc.v[l] = fma_flushed(a.v[l], b.v[l], acc.v[l]);
    return acc;
  }
};
#endif

SESAME_INLINE float pair_of(float even, float odd) {
  return __builtin_bit_cast(float, static_cast<std::uint32_t>(to_bf16(even)) | static_cast<std::uint32_t>(to_bf16(odd))
                                                                                   << 16);
}
SESAME_INLINE float rounded(float x) { return from_bf16(to_bf16(x)); }

// Elements of 4 bytes that hold n values.
constexpr std::size_t elements(std::size_t n) { return Bf16Sum::kPairs ? (n + 1) / 2 : round_up(n, 2); }

// A row as the left side of a product; an odd n ends in a pair with 0.
inline void pair_row(const float* x, std::size_t n, float* __restrict y) {
  if constexpr (Bf16Sum::kPairs) {
    for (std::size_t i = 0; i < n / 2; ++i) y[i] = pair_of(x[2 * i], x[2 * i + 1]);
    if (n % 2 != 0) y[n / 2] = pair_of(x[n - 1], 0.0f);
  } else {
    for (std::size_t i = 0; i + 1 < n; i += 2) y[i] = rounded(x[i + 1]), y[i + 1] = rounded(x[i]);
    if (n % 2 != 0) y[n - 1] = 0.0f, y[n] = rounded(x[n - 1]);
  }
}

// A panel [n][16] as the right side.
inline void pair_panel(const float* panel, std::size_t n, float* __restrict packed) {
  static constexpr float kZeros[kPanel] = {};
  for (std::size_t i = 0; i < n; i += 2) {
    const float *even = panel + i * kPanel, *odd = i + 1 < n ? even + kPanel : kZeros;
    if constexpr (Bf16Sum::kPairs) {
      for (std::size_t l = 0; l < kPanel; ++l) packed[l] = pair_of(even[l], odd[l]);
      packed += kPanel;
    } else {
      for (std::size_t l = 0; l < kPanel; ++l) packed[l] = rounded(odd[l]), packed[kPanel + l] = rounded(even[l]);
      packed += 2 * kPanel;
    }
  }
}

struct PairAttention {
  float *keys, *values, *queries, *scores, *p;
};

inline PairAttention pack_pairs(const AttentionBf16& a, const AttentionBf16Layout& l) {
  float* begin = reinterpret_cast<float*>(a.scratch);
  float* staging = begin + l.staging;
  for (std::size_t j = 0; j < a.keys; j += kPanel) {
    const std::size_t count = a.keys - j < kPanel ? a.keys - j : kPanel;
    pack_keys(a.k + static_cast<std::ptrdiff_t>(j) * a.ldk, a.ldk, count, a.head_dim, staging);
    pair_panel(staging, a.head_dim, begin + j * elements(a.head_dim));
  }
  for (std::size_t d = 0; d < a.head_dim; d += kPanel) {
    const std::size_t count = a.head_dim - d < kPanel ? a.head_dim - d : kPanel;
    pack_values(a.v + d, a.ldv, a.keys, count, staging);
    pair_panel(staging, a.keys, begin + l.values + d * elements(a.keys));
  }
  return {begin, begin + l.values, begin + l.queries, begin + l.scores, begin + l.p};
}

// c = the sums of a b, of `depth` values each.
inline void multiply_pairs(std::size_t rows, const float* a, std::size_t lda, const float* b, std::size_t depth,
                           std::size_t columns, float* c, std::ptrdiff_t ldc) {
  [[maybe_unused]] const Bf16Sum::Environment environment;
  multiply_rows<Bf16Sum>(rows, {.a = a,
                                .lda = static_cast<std::ptrdiff_t>(lda),
                                .b = b,
                                .depth = elements(depth),
                                .columns = columns,
                                .factor = nullptr,
                                .bias = nullptr,
                                .ld_bias = 0,
                                .c = c,
                                .ldc = ldc});
}

// y[i] = y[i] * factor, + bias[i] when there is one.
inline void scale_row(float* y, std::size_t n, float factor, const float* bias) {
  for_lanes(n, [&](std::size_t i, auto, auto span) SESAME_INLINE_LAMBDA {
    Lanes scaled = load(y + i, span, 0.0f) * splat(factor);
    if (bias) scaled = scaled + load(bias + i, span, 0.0f);
    store(y + i, scaled, span);
  });
}

// Queries [begin, begin + rows).
inline void attend_pairs(const AttentionBf16& a, const AttentionBf16Layout& l, const PairAttention& b,
                         std::size_t begin, std::size_t rows) {
  const auto first = static_cast<std::ptrdiff_t>(begin);
  for (std::size_t r = 0; r < rows; ++r) {
    pair_row(a.q + (first + static_cast<std::ptrdiff_t>(r)) * a.ldq, a.head_dim, b.queries + r * l.query_stride);
  }
  multiply_pairs(rows, b.queries, l.query_stride, b.keys, a.head_dim, a.keys, b.scores,
                 static_cast<std::ptrdiff_t>(l.score_stride));
  float factor[kAttentionRows];
  for (std::size_t r = 0; r < rows; ++r) {
    float* row = b.scores + r * l.score_stride;
    scale_row(row, a.keys, a.scale, a.bias ? a.bias + (first + static_cast<std::ptrdiff_t>(r)) * a.ld_bias : nullptr);
    factor[r] = 1.0f / exp_minus_max_row(row, a.keys, row);
    pair_row(row, a.keys, b.p + r * l.score_stride);
  }
  float* out = a.out + first * a.ldo;
  multiply_pairs(rows, b.p, l.score_stride, b.values, a.keys, a.head_dim, out, a.ldo);
  for (std::size_t r = 0; r < rows; ++r) {
    scale_row(out + static_cast<std::ptrdiff_t>(r) * a.ldo, a.head_dim, factor[r], nullptr);
  }
}

void attention_bf16(const AttentionBf16& a) {
  const AttentionBf16Layout l(a.keys, a.head_dim);
  const PairAttention packed = pack_pairs(a, l);
  const std::size_t blocks = (a.queries + kTileRows - 1) / kTileRows;
  std::size_t begin = 0;
  for (std::size_t block = 0; block < blocks; ++block) {
    const std::size_t rows = (a.queries - begin + blocks - block - 1) / (blocks - block);  // split evenly
    attend_pairs(a, l, packed, begin, rows);
    begin += rows;
  }
}

}  // namespace sesame::kernels::SESAME_LEVEL
