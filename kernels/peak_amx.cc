// Level amx of peak_u8s8 and peak_bf16: products of whole tiles into four tiles of sums, as many as its GEMM has.
#include "kernels/table.h"
#include "kernels/tiles_hardware.h"

namespace sesame::kernels::amx {
namespace {

constexpr double kTileProducts = 16.0 * 16 * 16;  // of 4 bytes each

void configure(HardwareTiles& unit) {
  TileShapes shapes;
  for (int t = 0; t < 8; ++t) shapes.set(t, kTileSize, kTileSize);
  unit.configure(shapes);
}

}  // namespace

double peak_u8s8(std::size_t iterations, std::int32_t* sink) {
  HardwareTiles unit;
  configure(unit);
  for (std::size_t i = 0; i < iterations; ++i) {
    unit.dot_u8s8<0, 4, 6>();
    unit.dot_u8s8<1, 4, 7>();
    unit.dot_u8s8<2, 5, 6>();
    unit.dot_u8s8<3, 5, 7>();
  }
  alignas(64) std::int32_t sums[kTileSize][kTileSize];
  unit.store<0>(sums, 64);
  *sink ^= sums[0][0];
  return static_cast<double>(iterations) * 4 * kTileProducts * 4;
}

double peak_bf16(std::size_t iterations, float* sink) {
  HardwareTiles unit;
  configure(unit);
  for (std::size_t i = 0; i < iterations; ++i) {
    unit.dot_bf16<0, 4, 6>();
    unit.dot_bf16<1, 4, 7>();
    unit.dot_bf16<2, 5, 6>();
    unit.dot_bf16<3, 5, 7>();
  }
  alignas(64) float sums[kTileSize][kTileSize];
  unit.store<0>(sums, 64);
  *sink += sums[0][0];
  return static_cast<double>(iterations) * 4 * kTileProducts * 2;
}

}  // namespace sesame::kernels::amx
