// gemm_u8s8 and gemm_bf16 over tiles.h, for the hardware's tiles and for the emulated ones.
//
// A tile of weights is 16 steps of a panel as it is packed, one of a is 16 rows x 16 steps where they lie. Two of rows
// and two of panels at a time fill the eight tiles there are: 4 of sums, 2 of a and 2 of weights, so that every tile
// loaded serves two products. What the depth has beyond whole tiles is a product of tiles with fewer steps, and rows
// beyond them are tiles with fewer rows: nothing is padded, copied or read beyond its end.
#pragma once

#include "kernels/bf16.h"
#include "kernels/gemm_strategy.h"
#include "kernels/table.h"
#include "kernels/tiles.h"

namespace sesame::kernels {
namespace {

template <class Gemm>
struct TileOperands;

template <>
struct TileOperands<GemmU8S8> {
  static constexpr std::size_t kStep = 4;  // values of k
  template <class Unit, int c, int a, int b>
  static void dot(Unit& unit) {
    unit.template dot_u8s8<c, a, b>();
  }
  template <class Unit, int c>
  static void start(Unit& unit, const GemmU8S8& g, std::size_t panel) {
    unit.template load<c>(g.acc_init + panel * kPanel, 0);
  }
};

template <>
struct TileOperands<GemmBf16> {
  static constexpr std::size_t kStep = 2;
  template <class Unit, int c, int a, int b>
  static void dot(Unit& unit) {
    unit.template dot_bf16<c, a, b>();
  }
  template <class Unit, int c>
  static void start(Unit& unit, const GemmBf16&, std::size_t) {
    unit.template zero<c>();
  }
};

// One panel's columns of a row, from sums to y; `bias` has 16 values.
inline void dequantize(const GemmU8S8& g, const std::int32_t* sums, std::size_t m, std::size_t n, const float* bias,
                       float* y) {
  const float a_scale = g.a_scale[m];
  for (std::size_t i = 0; i < kPanel; ++i) {
    y[i] = __builtin_fmaf(static_cast<float>(sums[i]), a_scale * g.b_scale[n + i], bias[i]);
  }
}
inline void dequantize(const GemmBf16&, const std::int32_t* sums, std::size_t, std::size_t, const float* bias,
                       float* y) {
  for (std::size_t i = 0; i < kPanel; ++i) y[i] = __builtin_bit_cast(float, sums[i]) + bias[i];
}

// What no bias is: adding -0 changes nothing, and 0 is what fma adds.
constexpr float absent_bias(const GemmU8S8&) { return 0.0f; }
constexpr float absent_bias(const GemmBf16&) { return -0.0f; }

// c = act(y) + residual, for `columns` of a row.
template <Isa level>
inline void finish_row(const Epilogue& e, float* y, std::size_t m, std::size_t n, std::size_t columns, float* c) {
  if (e.activation != Activation::none) table(level).activation_row(e.activation, y, columns, y);
  if (e.residual) {
    const float* residual = row_of(e.residual, e.ld_residual, m) + n;
    for (std::size_t i = 0; i < columns; ++i) y[i] = y[i] + residual[i];
  }
  if (columns == kPanel) {
    for (std::size_t i = 0; i < kPanel; ++i) c[i] = y[i];
  } else {
    for (std::size_t i = 0; i < columns; ++i) c[i] = y[i];
  }
}

template <class Unit, Isa level, class Gemm>
class TileGemm {
  using Operands = TileOperands<Gemm>;

 public:
  explicit TileGemm(const Gemm& g) : g_(g), steps_((g.K + Operands::kStep - 1) / Operands::kStep) {}

  // Rows in groups that fit in cache; within one, a pair of panels at a time is used by all of its rows.
  void run() {
    const std::size_t panels = (g_.N + kPanel - 1) / kPanel, group = rows_in_cache();
    for (std::size_t first = 0; first < g_.M; first += group) {
      const std::size_t end = g_.M - first < group ? g_.M : first + group;
      for (std::size_t panel = 0; panel < panels; panel += 2) {
        for (std::size_t m = first; m < end; m += kBlock) {
          run_block(m, end - m < kBlock ? end - m : kBlock, panel, panels - panel < 2 ? 1 : 2);
        }
      }
    }
  }

 private:
  static constexpr std::size_t kBlock = 2 * kTileSize;    // rows
  static constexpr int kRowTile = 4, kWeightTile = 6;     // sums of row tile i and panel j are in tile 2 i + j
  static constexpr std::ptrdiff_t kLine = kTileSize * 4;  // bytes of a step of a panel, and of a row of sums
  using Sums = std::int32_t[4][kTileSize][kTileSize];

  std::size_t rows_in_cache() const {
    constexpr std::size_t kBytes = 384 * 1024;  // leaves most of a small L2 to the weights
    return (kBytes / (steps_ * 4 + 1) / kBlock + 1) * kBlock;
  }

  void run_block(std::size_t m, std::size_t rows, std::size_t panel, int panels) {
    alignas(64) Sums sums;
    if (rows > kTileSize) {
      panels > 1 ? multiply<2, 2>(m, rows, panel, sums) : multiply<2, 1>(m, rows, panel, sums);
    } else {
      panels > 1 ? multiply<1, 2>(m, rows, panel, sums) : multiply<1, 1>(m, rows, panel, sums);
    }
    for (int j = 0; j < panels; ++j) finish(m, rows, panel + static_cast<std::size_t>(j), j, sums);
  }

  // R x P tiles of sums.
  template <int R, int P>
  void multiply(std::size_t m, std::size_t rows, std::size_t panel, Sums& sums) {
    const std::size_t tail = steps_ % kTileSize, whole = steps_ - tail;
    if (whole > 0 || tail == 0) {
      shape(rows, kTileSize);
      start<R, P>(panel);
      for (std::size_t step = 0; step < whole; step += kTileSize) add_products<R, P>(m, panel, step);
      for_tiles<R, P>([&]<int t>() { unit_.template store<t>(sums[t], kLine); });
    }
    if (tail > 0) {
      shape(rows, tail);
      if (whole > 0) {
        for_tiles<R, P>([&]<int t>() { unit_.template load<t>(sums[t], kLine); });
      } else {
        start<R, P>(panel);
      }
      add_products<R, P>(m, panel, whole);
      for_tiles<R, P>([&]<int t>() { unit_.template store<t>(sums[t], kLine); });
    }
  }

  // Configuring costs as much as several products, and most blocks have the shapes of the one before.
  void shape(std::size_t rows, std::size_t steps) {
    if (rows == rows_ && steps == tile_steps_) return;
    rows_ = rows, tile_steps_ = steps;
    TileShapes shapes;
    for (int i = 0; i < 2; ++i) {
      const std::size_t before = static_cast<std::size_t>(i) * kTileSize;
      const std::size_t left = rows > before ? rows - before : 0, count = left < kTileSize ? left : kTileSize;
      if (count == 0) continue;
      for (int j = 0; j < 2; ++j) shapes.set(2 * i + j, count, kTileSize);
      shapes.set(kRowTile + i, count, steps);
    }
    for (int j = 0; j < 2; ++j) shapes.set(kWeightTile + j, steps, kTileSize);
    unit_.configure(shapes);
  }

  template <int R, int P, class Body>
  [[gnu::always_inline]] void for_tiles(Body body) {
    body.template operator()<0>();
    if constexpr (P > 1) body.template operator()<1>();
    if constexpr (R > 1) body.template operator()<2>();
    if constexpr (R > 1 && P > 1) body.template operator()<3>();
  }

  template <int R, int P>
  void start(std::size_t panel) {
    for_tiles<R, P>([&]<int t>() { Operands::template start<Unit, t>(unit_, g_, panel + t % 2); });
  }

  template <int R, int P>
  [[gnu::always_inline]] void add_products(std::size_t m, std::size_t panel, std::size_t step) {
    const auto lda = g_.lda * static_cast<std::ptrdiff_t>(sizeof *g_.a);
    const auto* a = row_of(g_.a, g_.lda, m) + step * Operands::kStep;
    const auto* w = reinterpret_cast<const std::byte*>(g_.b) + (panel * steps_ + step) * kLine;
    unit_.template load<kRowTile>(a, lda);
    if constexpr (R > 1) unit_.template load<kRowTile + 1>(row_of(a, g_.lda, kTileSize), lda);
    unit_.template load<kWeightTile>(w, kLine);
    if constexpr (P > 1) unit_.template load<kWeightTile + 1>(w + steps_ * kLine, kLine);
    for_tiles<R, P>([&]<int t>() { Operands::template dot<Unit, t, kRowTile + t / 2, kWeightTile + t % 2>(unit_); });
  }

  void finish(std::size_t m, std::size_t rows, std::size_t panel, int j, const Sums& sums) const {
    const std::size_t n = panel * kPanel, columns = g_.N - n < kPanel ? g_.N - n : kPanel;
    float bias[kPanel];
    for (std::size_t i = 0; i < kPanel; ++i) {
      bias[i] = g_.epilogue.bias && i < columns ? g_.epilogue.bias[n + i] : absent_bias(g_);
    }
    for (std::size_t r = 0; r < rows; ++r) {
      float y[kPanel];
      const std::size_t tile = r / kTileSize * 2 + static_cast<std::size_t>(j);
      dequantize(g_, sums[tile][r % kTileSize], m + r, n, bias, y);
      finish_row<level>(g_.epilogue, y, m + r, n, columns, row_of(g_.c, g_.ldc, m + r) + n);
    }
  }

  const Gemm& g_;
  const std::size_t steps_;  // of the depth, 4 bytes each
  std::size_t rows_ = 0, tile_steps_ = 0;
  Unit unit_;
};

}  // namespace
}  // namespace sesame::kernels
