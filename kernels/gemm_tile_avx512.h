// What the AVX-512 tiles share: the end of a tile of R rows x P panels whose sums are in registers.
#pragma once

#include <immintrin.h>

#include "kernels/gemm_strategy.h"
#include "kernels/pack.h"
#include "kernels/table.h"

namespace sesame::kernels {
namespace {

// Where a tile lies in its GEMM.
struct TilePlace {
  std::size_t m, n;        // first row and column
  __mmask16 last_columns;  // those of the last panel that exist
};

inline TilePlace place_of(std::size_t m, std::size_t panel, int panels, std::size_t N) {
  const std::size_t last = (panel + static_cast<std::size_t>(panels) - 1) * kPanel;
  const std::size_t columns = N - last < kPanel ? N - last : kPanel;
  return {m, panel * kPanel, static_cast<__mmask16>((1u << columns) - 1)};
}

template <int P>
__mmask16 columns_of(const TilePlace& place, int p) {
  return p == P - 1 ? place.last_columns : static_cast<__mmask16>(0xFFFF);
}

// The sums of a tile whose depth is split: those of the parts before, 0 at the first.
template <int R, int P>
[[gnu::always_inline]] inline void load_tile(const TileTask& task, __m512 (&acc)[R][P]) {
#pragma GCC unroll 32
  for (int i = 0; i < R * P; ++i) {
    acc[i / P][i % P] = task.first ? _mm512_setzero_ps() : _mm512_loadu_ps(task.partial + i * kPanel);
  }
}

template <int R, int P>
[[gnu::always_inline]] inline void store_tile(const TileTask& task, const __m512 (&acc)[R][P]) {
#pragma GCC unroll 32
  for (int i = 0; i < R * P; ++i) _mm512_storeu_ps(task.partial + i * kPanel, acc[i / P][i % P]);
}

// x[n], or `absent` in all lanes when x is null.
template <int P>
void load_columns(const float* x, float absent, const TilePlace& place, __m512 (&lanes)[P]) {
#pragma GCC unroll 16
  for (int p = 0; p < P; ++p) {
    lanes[p] = x ? _mm512_maskz_loadu_ps(columns_of<P>(place, p), x + place.n + p * kPanel) : _mm512_set1_ps(absent);
  }
}

// The activation takes the whole tile in one call, through memory: a row kernel's loop then has many independent lanes.
template <Isa level, int R, int P>
[[gnu::noinline]] void activate(Activation activation, float* tile) {
  table(level).activation_row(activation, tile, R * P * kPanel, tile);
}

// c = act(y) + residual.
template <Isa level, int R, int P>
inline void finish_tile(const Epilogue& e, const TilePlace& place, __m512 (&y)[R][P], float* c, std::ptrdiff_t ldc) {
  if (e.activation != Activation::none) {
    alignas(64) float tile[R * P * kPanel];
#pragma GCC unroll 32
    for (int i = 0; i < R * P; ++i) _mm512_store_ps(tile + i * kPanel, y[i / P][i % P]);
    activate<level, R, P>(e.activation, tile);
#pragma GCC unroll 32
    for (int i = 0; i < R * P; ++i) y[i / P][i % P] = _mm512_load_ps(tile + i * kPanel);
  }
  if (e.residual) {
    const float* residual = row_of(e.residual, e.ld_residual, place.m) + place.n;
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r, residual += e.ld_residual) {
#pragma GCC unroll 16
      for (int p = 0; p < P; ++p) {
        y[r][p] = y[r][p] + _mm512_maskz_loadu_ps(columns_of<P>(place, p), residual + p * kPanel);
      }
    }
  }
  float* row = row_of(c, ldc, place.m) + place.n;
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r, row += ldc) {
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) _mm512_mask_storeu_ps(row + p * kPanel, columns_of<P>(place, p), y[r][p]);
  }
}

// acc + bias[n], then finish_tile. Without a bias nothing is added, and adding -0 is that for every value.
template <Isa level, int R, int P, class Gemm>
inline void finish_tile_f32(const Gemm& g, const TilePlace& place, __m512 (&acc)[R][P]) {
  __m512 bias[P];
  load_columns<P>(g.epilogue.bias, -0.0f, place, bias);
#pragma GCC unroll 32
  for (int i = 0; i < R * P; ++i) acc[i / P][i % P] = acc[i / P][i % P] + bias[i % P];
  finish_tile<level, R, P>(g.epilogue, place, acc, g.c, g.ldc);
}

// _mm512_cvtepi32_ps, around which g++ 12 warns of an uninitialized value in its own header.
inline __m512 to_float(__m512i x) {
  typedef std::int32_t Lanes __attribute__((vector_size(64)));
  return __builtin_convertvector(reinterpret_cast<Lanes>(x), __m512);
}

// The sums as they are.
template <Isa level, int R, int P>
inline void finish_tile_u8s8(const SumsU8S8& g, const TilePlace& place, __m512i (&acc)[R][P]) {
  std::int32_t* row = row_of(g.c, g.ldc, place.m) + place.n;
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r, row += g.ldc) {
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) _mm512_mask_storeu_epi32(row + p * kPanel, columns_of<P>(place, p), acc[r][p]);
  }
}

// fma(float(acc), a_scale[m] * b_scale[n], bias[n]), then finish_tile.
template <Isa level, int R, int P>
inline void finish_tile_u8s8(const GemmU8S8& g, const TilePlace& place, __m512i (&acc)[R][P]) {
  __m512 bias[P], y[R][P];
  load_columns<P>(g.epilogue.bias, 0.0f, place, bias);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    const __m512 a_scale = _mm512_set1_ps(g.a_scale[place.m + r]);
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) {
      const __m512 scale = a_scale * _mm512_loadu_ps(g.b_scale + place.n + p * kPanel);
      y[r][p] = _mm512_fmadd_ps(to_float(acc[r][p]), scale, bias[p]);
    }
  }
  finish_tile<level, R, P>(g.epilogue, place, y, g.c, g.ldc);
}

}  // namespace
}  // namespace sesame::kernels
