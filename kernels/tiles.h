// The small interface that the tile kernels are written over. Two classes have it: HardwareTiles (tiles_hardware.h),
// AMX itself, and EmulatedTiles (tiles_emulated.h), the same operations in plain C++, bit for bit.
//
//   configure(shapes)      the shapes of all tiles; every tile becomes 0
//   zero<t>()              all of tile t is 0
//   load<t>(p, stride)     its rows from p on, `stride` bytes apart (0: the same row again and again)
//   store<t>(p, stride)
//   dot_u8s8<c, a, b>()    c[m][n] += sum over k of a[m][k] * b[k / 4][n][k % 4] in int32, wrapping around
//   dot_bf16<c, a, b>()    for pairs k of a row of a, in ascending order and in fp32 from 0:
//                            even = fma(a[m][k][0], b[k][n][0], even);  odd = fma(a[m][k][1], b[k][n][1], odd)
//                          then c[m][n] += even + odd. Denormal operands and results are zeros of their sign
//
// c holds rows x 16 sums of 4 bytes, a rows x steps of 4 bytes (4 values of int8, 2 of bf16), b steps x 16 of them.
// bf16's order is the instruction's own (Intel's manual, TDPBF16PS): not VDPBF16PS's, so the bits differ from those of
// the other levels; int8's are the same.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sesame::kernels {

// As LDTILECFG reads it.
struct alignas(64) TileShapes {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {};  // of tiles 0 .. 7
  std::uint8_t rows[16] = {};

  void set(int tile, std::size_t tile_rows, std::size_t steps) {
    rows[tile] = static_cast<std::uint8_t>(tile_rows);
    row_bytes[tile] = static_cast<std::uint16_t>(steps * 4);
  }
};
static_assert(sizeof(TileShapes) == 64);

inline constexpr std::size_t kTileSize = 16;  // rows of a tile at most, and steps of 4 bytes in a row

}  // namespace sesame::kernels
