// What the AVX2 tiles share: the end of a tile of R rows x one panel of two registers whose sums are in registers.
#pragma once

#include <immintrin.h>

#include "kernels/gemm_strategy.h"
#include "kernels/pack.h"
#include "kernels/table.h"

namespace sesame::kernels {
namespace {

constexpr int kHalf = 8;  // columns in a register, half a panel

// Where a tile lies in its GEMM: first row and column, and how many of the panel's columns exist.
struct TilePlace {
  std::size_t m, n, columns;
};

inline TilePlace place_of(std::size_t m, std::size_t panel, std::size_t N) {
  const std::size_t n = panel * kPanel;
  return {m, n, N - n < kPanel ? N - n : kPanel};
}

inline __m256i first_lanes(std::size_t count) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lane);
}

inline __m256i columns_of(const TilePlace& place, int half) {
  const std::size_t before = static_cast<std::size_t>(half) * kHalf;
  return first_lanes(place.columns > before ? place.columns - before : 0);
}

// x[n], or `absent` in all lanes when x is null.
inline void load_columns(const float* x, float absent, const TilePlace& place, __m256 (&lanes)[2]) {
#pragma GCC unroll 2
  for (int h = 0; h < 2; ++h) {
    lanes[h] = x ? _mm256_maskload_ps(x + place.n + h * kHalf, columns_of(place, h)) : _mm256_set1_ps(absent);
  }
}

// The activation takes the whole tile in one call, through memory: a row kernel's loop then has many independent lanes.
template <Isa level, int R>
[[gnu::noinline]] void activate(Activation activation, float* tile) {
  table(level).activation_row(activation, tile, R * kPanel, tile);
}

// c = act(y) + residual.
template <Isa level, int R>
inline void finish_tile(const Epilogue& e, const TilePlace& place, __m256 (&y)[R][2], float* c, std::ptrdiff_t ldc) {
  if (e.activation != Activation::none) {
    alignas(32) float tile[R * kPanel];
#pragma GCC unroll 16
    for (int i = 0; i < R * 2; ++i) _mm256_store_ps(tile + i * kHalf, y[i / 2][i % 2]);
    activate<level, R>(e.activation, tile);
#pragma GCC unroll 16
    for (int i = 0; i < R * 2; ++i) y[i / 2][i % 2] = _mm256_load_ps(tile + i * kHalf);
  }
  const __m256i exists[2] = {columns_of(place, 0), columns_of(place, 1)};
  if (e.residual) {
    const float* residual = row_of(e.residual, e.ld_residual, place.m) + place.n;
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r, residual += e.ld_residual) {
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h) y[r][h] = y[r][h] + _mm256_maskload_ps(residual + h * kHalf, exists[h]);
    }
  }
  float* row = row_of(c, ldc, place.m) + place.n;
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r, row += ldc) {
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) _mm256_maskstore_ps(row + h * kHalf, exists[h], y[r][h]);
  }
}

inline __m256i load_bytes(const void* p) { return _mm256_load_si256(static_cast<const __m256i*>(p)); }

inline __m256i broadcast4(const std::uint8_t* a) {
  std::int32_t four;
  __builtin_memcpy(&four, a, 4);
  return _mm256_set1_epi32(four);
}

// The sums of R rows before the first product.
template <int R>
[[gnu::always_inline]] inline void load_sums(const std::int32_t* init, __m256i (&acc)[R][2]) {
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    acc[r][0] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(init));
    acc[r][1] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(init + kHalf));
  }
}

// fma(float(acc), a_scale[m] * b_scale[n], bias[n]), then finish_tile.
template <Isa level, int R>
inline void finish_tile_u8s8(const GemmU8S8& g, const TilePlace& place, const __m256i (&acc)[R][2]) {
  __m256 bias[2], y[R][2];
  load_columns(g.epilogue.bias, 0.0f, place, bias);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const __m256 a_scale = _mm256_broadcast_ss(g.a_scale + place.m + r);
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {
      const __m256 scale = a_scale * _mm256_loadu_ps(g.b_scale + place.n + h * kHalf);
      y[r][h] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(acc[r][h]), scale, bias[h]);
    }
  }
  finish_tile<level, R>(g.epilogue, place, y, g.c, g.ldc);
}

// The sums as they are.
template <Isa level, int R>
inline void finish_tile_u8s8(const SumsU8S8& g, const TilePlace& place, const __m256i (&acc)[R][2]) {
  std::int32_t* row = row_of(g.c, g.ldc, place.m) + place.n;
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r, row += g.ldc) {
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) _mm256_maskstore_epi32(row + h * kHalf, columns_of(place, h), acc[r][h]);
  }
}

}  // namespace
}  // namespace sesame::kernels
