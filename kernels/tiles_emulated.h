// tiles.h in plain C++, for tests and for machines without AMX: what its kernels compute, slowly.
#pragma once

#include <cassert>
#include <cstring>

#include "kernels/bf16.h"
#include "kernels/tiles.h"

namespace sesame::kernels {
namespace {

class EmulatedTiles {
 public:
  void configure(const TileShapes& shapes) {
    shapes_ = shapes;
    std::memset(tiles_, 0, sizeof tiles_);
  }

  template <int t>
  void zero() {
    std::memset(tiles_[t], 0, sizeof tiles_[t]);
  }
  template <int t>
  void load(const void* p, std::ptrdiff_t stride) {
    zero<t>();
    for (std::size_t m = 0; m < rows(t); ++m) std::memcpy(tiles_[t][m], at(p, m, stride), shapes_.row_bytes[t]);
  }
  template <int t>
  void store(void* p, std::ptrdiff_t stride) const {
    for (std::size_t m = 0; m < rows(t); ++m) {
      std::memcpy(const_cast<std::byte*>(at(p, m, stride)), tiles_[t][m], shapes_.row_bytes[t]);
    }
  }
  template <int c, int a, int b>
  void dot_u8s8() {
    check(c, a, b);
    for (std::size_t m = 0; m < rows(c); ++m) {
      for (std::size_t k = 0; k < rows(b); ++k) add_products_u8s8(tiles_[a][m] + k * 4, tiles_[b][k], tiles_[c][m]);
    }
  }
  template <int c, int a, int b>
  void dot_bf16() {
    check(c, a, b);
    for (std::size_t m = 0; m < rows(c); ++m) {
      for (std::size_t n = 0; n < kTileSize; ++n) add_dot_bf16(tiles_[a][m], b, n, tiles_[c][m] + n * 4);
    }
  }

 private:
  std::size_t rows(int t) const { return shapes_.rows[t]; }
  static const std::byte* at(const void* p, std::size_t m, std::ptrdiff_t stride) {
    return static_cast<const std::byte*>(p) + static_cast<std::ptrdiff_t>(m) * stride;
  }
  // What the instructions raise #UD for.
  void check([[maybe_unused]] int c, [[maybe_unused]] int a, [[maybe_unused]] int b) const {
    assert(rows(c) == rows(a) && shapes_.row_bytes[c] == shapes_.row_bytes[b] && shapes_.row_bytes[a] == rows(b) * 4);
  }

  template <class T>
  static T value(const std::uint8_t* p, std::size_t i) {
    T x;
    std::memcpy(&x, p + i * sizeof(T), sizeof(T));
    return x;
  }

  // Four bytes of a times 16 columns of b.
  static void add_products_u8s8(const std::uint8_t* a, const std::uint8_t* b, std::uint8_t* c) {
    std::uint32_t sums[kTileSize];  // unsigned: they wrap around
    std::memcpy(sums, c, sizeof sums);
    for (std::size_t n = 0; n < kTileSize; ++n) {
      for (std::size_t i = 0; i < 4; ++i) {
        sums[n] += static_cast<std::uint32_t>(a[i] * static_cast<std::int8_t>(b[n * 4 + i]));
      }
    }
    std::memcpy(c, sums, sizeof sums);
  }

  void add_dot_bf16(const std::uint8_t* a, int b, std::size_t n, std::uint8_t* c) {
    float even = 0, odd = 0;
    for (std::size_t k = 0; k < rows(b); ++k) {
      const auto w = [&](std::size_t i) { return from_bf16(value<std::uint16_t>(tiles_[b][k], n * 2 + i)); };
      even = fma_flushed(from_bf16(value<std::uint16_t>(a, k * 2)), w(0), even);
      odd = fma_flushed(from_bf16(value<std::uint16_t>(a, k * 2 + 1)), w(1), odd);
    }
    const float sum = add_flushed(value<float>(c, 0), add_flushed(even, odd));
    std::memcpy(c, &sum, sizeof sum);
  }

  TileShapes shapes_;
  alignas(64) std::uint8_t tiles_[8][kTileSize][64];
};

}  // namespace
}  // namespace sesame::kernels
