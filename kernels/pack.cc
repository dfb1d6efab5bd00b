#include "kernels/pack.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "kernels/fp_env.h"

namespace sesame::kernels {
namespace {

constexpr std::size_t kQuad = 4;  // values of k that lie together in the s8 layout

// W as its strides describe it. All loops below take 16 columns at a time, so that either order of the source is read
// in whole cache lines.
template <class T>
struct Matrix {
  const T* w;
  std::ptrdiff_t stride_k, stride_n;
  T at(std::size_t k, std::size_t n) const {
    return w[static_cast<std::ptrdiff_t>(k) * stride_k + static_cast<std::ptrdiff_t>(n) * stride_n];
  }
};

// Writes element(k, n) of every column of the panel that begins at `first` in the s8 layout. Padding is the caller's.
template <class Element>
void pack_panel_s8(std::size_t K, std::size_t first, std::size_t end, std::int8_t* panel, Element element) {
  for (std::size_t k = 0; k < K; ++k) {
    std::int8_t* quad = panel + k / kQuad * kQuad * kPanel + k % kQuad;
    for (std::size_t n = first; n < end; ++n) quad[(n - first) * kQuad] = element(k, n);
  }
}

// scale[n] = max_k |w[k][n]| for n in [0, N), 0 up to the end of the last panel.
void column_maxima(const Matrix<float>& w, std::size_t K, std::size_t N, float* scale) {
  std::fill_n(scale, round_up(N, kPanel), 0.0f);
  for (std::size_t first = 0; first < N; first += kPanel) {
    const std::size_t end = std::min(N, first + kPanel);
    for (std::size_t k = 0; k < K; ++k) {
      for (std::size_t n = first; n < end; ++n) scale[n] = std::max(scale[n], std::fabs(w.at(k, n)));
    }
  }
}

// Divides in double, since the inverse of a small scale overflows a float. Adding and taking away 1.5 * 2^52 rounds to
// an integer, half to even, without a call for each element.
std::int8_t quantized(float w, float scale, double largest) {
  constexpr double kRound = 6755399441055744.0;
  if (scale == 0) return 0;
  return static_cast<std::int8_t>(std::clamp((static_cast<double>(w) / scale + kRound) - kRound, -largest, largest));
}

}  // namespace

void pack_f32(const float* w, std::ptrdiff_t stride_k, std::ptrdiff_t stride_n, std::size_t K, std::size_t N,
              float* packed) {
  const Matrix<float> matrix{w, stride_k, stride_n};
  for (std::size_t first = 0; first < N; first += kPanel) {
    for (std::size_t k = 0; k < K; ++k) {
      for (std::size_t n = first; n < first + kPanel; ++n) *packed++ = n < N ? matrix.at(k, n) : 0.0f;
    }
  }
}

void pack_s8(const std::int8_t* w, std::ptrdiff_t stride_k, std::ptrdiff_t stride_n, std::size_t K, std::size_t N,
             std::int8_t* packed) {
  const Matrix<std::int8_t> matrix{w, stride_k, stride_n};
  const std::size_t panel_size = kPanel * round_up(K, kQuad);
  std::fill_n(packed, packed_s8_size(K, N), std::int8_t{0});
  for (std::size_t first = 0; first < N; first += kPanel, packed += panel_size) {
    pack_panel_s8(K, first, std::min(N, first + kPanel), packed,
                  [&](std::size_t k, std::size_t n) { return matrix.at(k, n); });
  }
}

void column_sums_s8(const std::int8_t* packed, std::size_t K, std::size_t N, std::int32_t* colsum) {
  assert(K <= kMaxK);
  for (std::size_t first = 0; first < N; first += kPanel, colsum += kPanel) {
    std::fill_n(colsum, kPanel, 0);
    for (std::size_t k = 0; k < K; k += kQuad, packed += kPanel * kQuad) {
      for (std::size_t i = 0; i < kPanel * kQuad; ++i) colsum[i / kQuad] += packed[i];
    }
  }
}

void quantize_pack_s8(const float* w, std::ptrdiff_t stride_k, std::ptrdiff_t stride_n, std::size_t K, std::size_t N,
                      std::int8_t* packed, float* scale, const WeightGrid& grid) {
  assert(grid.largest >= 1 && grid.largest <= 127);
  const DefaultFpEnvironment environment;
  const Matrix<float> matrix{w, stride_k, stride_n};
  const std::size_t panel_size = kPanel * round_up(K, kQuad);
  std::fill_n(packed, packed_s8_size(K, N), std::int8_t{0});
  column_maxima(matrix, K, N, scale);
  if (grid.one_scale) std::fill_n(scale, N, *std::max_element(scale, scale + N));
  for (std::size_t n = 0; n < N; ++n) scale[n] /= static_cast<float>(grid.largest);
  for (std::size_t first = 0; first < N; first += kPanel, packed += panel_size) {
    pack_panel_s8(K, first, std::min(N, first + kPanel), packed,
                  [&](std::size_t k, std::size_t n) { return quantized(matrix.at(k, n), scale[n], grid.largest); });
  }
}

}  // namespace sesame::kernels
