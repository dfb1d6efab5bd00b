// Packed weight layouts. A weight matrix W[K][N] (y = x W, input features down, output features across) is packed once
// at load time into panels of 16 output features, so that a kernel reads it as one stream.
//
// fp32, [N/16][K][16]: element W[k][n] is at  (n/16)*K*16 + k*16 + n%16.
//
//     panel 0:  W00 W01 .. W0f | W10 W11 .. W1f | ..     one row of 16 columns per k
//     panel 1:  W0g ..
//
// s8, [N/16][K/4][16][4]: element W[k][n] is at  ((n/16)*KQ + k/4)*64 + (n%16)*4 + k%4,  KQ = ceil(K/4).
//
//     panel 0:  W00 W10 W20 W30  W01 W11 W21 W31  ..  W0f W1f W2f W3f | W40 W50 ..
//               `- 4 values of k for column 0 -'                      `- next 4 of k
//
// The s8 layout is what VPDPBUSD reads (16 columns x 4 values of k a register), and a panel is also a column of AMX
// tiles. Columns past N and values of k past K are packed as 0, so kernels compute whole panels and store N columns.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sesame::kernels {

inline constexpr std::size_t kPanel = 16;     // output features in a panel
inline constexpr std::size_t kMaxK = 65'793;  // 255 * 128 * K fits an int32 up to here

constexpr std::size_t round_up(std::size_t x, std::size_t to) { return (x + to - 1) / to * to; }

// Elements in the packed matrix, padding included.
constexpr std::size_t packed_f32_size(std::size_t K, std::size_t N) { return round_up(N, kPanel) * K; }
constexpr std::size_t packed_s8_size(std::size_t K, std::size_t N) { return round_up(N, kPanel) * round_up(K, 4); }

// W[k][n] = w[k*stride_k + n*stride_n], so a transposed source packs without a copy. `packed` is 64-byte aligned.
void pack_f32(const float* w, std::ptrdiff_t stride_k, std::ptrdiff_t stride_n, std::size_t K, std::size_t N,
              float* packed);
void pack_s8(const std::int8_t* w, std::ptrdiff_t stride_k, std::ptrdiff_t stride_n, std::size_t K, std::size_t N,
             std::int8_t* packed);

// colsum[n] = sum_k W[k][n], for n < round_up(N, 16) (0 past N). Exact: K <= 65,793.
void column_sums_s8(const std::int8_t* packed, std::size_t K, std::size_t N, std::int32_t* colsum);

// The integers that weights are rounded to: -largest .. largest, with a scale for each output feature or one for all.
struct WeightGrid {
  int largest = 127;  // 63: seven bits
  bool one_scale = false;
};

// Quantizes W per output feature: signed, symmetric, scale[n] = max_k |W[k][n]| / largest, round half to even, clamped
// to
// [-largest, largest]; a column of zeros gets scale 0. With one_scale the maximum is over all of W. Writes the packed
// matrix and scale[n] for n < round_up(N, 16) (0 past N). Weights must be finite.
void quantize_pack_s8(const float* w, std::ptrdiff_t stride_k, std::ptrdiff_t stride_n, std::size_t K, std::size_t N,
                      std::int8_t* packed, float* scale, const WeightGrid& grid = {});

}  // namespace sesame::kernels
