// How a GEMM is cut into tiles, apart from any arithmetic. Rows are split evenly into blocks of at most Tiles::kMaxRows
// and columns evenly into blocks of at most Tiles::panels(rows) panels of 16; nothing is padded or computed twice. A
// template instance of the tile exists for every (rows, panels), so each size runs its own fully unrolled code.
//
// Column blocks are the outer loop: a block of weights comes from memory once and is used by all rows while it is in
// cache. Everything is in an unnamed namespace, since each level compiles it with its own flags.
#pragma once

#include <cstddef>
#include <utility>

#include "kernels/pack.h"

namespace sesame::kernels {
namespace {

// `total` in as few blocks of at most `most` as possible, whose sizes differ by at most one; the larger ones first.
class EvenSplit {
 public:
  EvenSplit(std::size_t total, std::size_t most)
      : count_((total + most - 1) / most), size_(count_ ? total / count_ : 0), larger_(total - size_ * count_) {}
  std::size_t count() const { return count_; }
  std::size_t size(std::size_t block) const { return size_ + (block < larger_ ? 1 : 0); }
  std::size_t begin(std::size_t block) const { return size_ * block + (block < larger_ ? block : larger_); }

 private:
  std::size_t count_, size_, larger_;
};

// The weights that a tile asks for ahead of their use: its share of the next column block.
struct Prefetch {
  const char* data;
  std::size_t lines;  // cache lines of 64 bytes
};

// Runs step() `steps` times, one for each row of the tile's weights, and spreads the prefetch evenly between them.
// Groups of four keep the bookkeeping out of the way. Asking for a few lines beyond the share does no harm.
template <class Step>
[[gnu::always_inline]] inline void for_each_step(std::size_t steps, Prefetch prefetch, Step step) {
  constexpr std::size_t kGroup = 4;
  const std::size_t groups = steps / kGroup;
  const std::size_t lines = groups ? (prefetch.lines + groups - 1) / groups : 0;
  for (std::size_t group = 0; group < groups; ++group) {
    for (std::size_t line = 0; line < lines; ++line, prefetch.data += 64) __builtin_prefetch(prefetch.data, 0, 2);
#pragma GCC unroll 4
    for (std::size_t i = 0; i < kGroup; ++i) step();
  }
  for (std::size_t i = groups * kGroup; i < steps; ++i) step();
}

// Calls Tiles::tile<rows, panels>(g, m, panel, prefetch) for sizes known at run time.
template <class Tiles, class Gemm, std::size_t... Index>
constexpr auto tile_table(std::index_sequence<Index...>) {
  using Function = void (*)(const Gemm&, std::size_t m, std::size_t panel, Prefetch);
  struct Table {
    Function at[sizeof...(Index)];
  };
  constexpr auto entry = []<std::size_t I>() -> Function {
    constexpr int rows = I / Tiles::kMaxPanels + 1, panels = I % Tiles::kMaxPanels + 1;
    if constexpr (panels <= Tiles::panels(rows)) return &Tiles::template tile<rows, panels>;
    return nullptr;
  };
  return Table{{entry.template operator()<Index>()...}};
}

template <class Tiles, class Gemm>
void run_gemm(const Gemm& g) {
  static constexpr auto tiles =
      tile_table<Tiles, Gemm>(std::make_index_sequence<Tiles::kMaxRows * Tiles::kMaxPanels>());
  const std::size_t panels = (g.N + kPanel - 1) / kPanel;
  if (g.M == 0 || panels == 0) return;
  const EvenSplit rows(g.M, Tiles::kMaxRows);
  const EvenSplit columns(panels, static_cast<std::size_t>(Tiles::panels(static_cast<int>(rows.size(0)))));
  const std::size_t panel_bytes = Tiles::panel_bytes(g);
  const char* weights = reinterpret_cast<const char*>(g.b);
  for (std::size_t j = 0; j < columns.count(); ++j) {
    const std::size_t panel = columns.begin(j), width = columns.size(j), next = panel + width;
    const std::size_t lines = rows.count() > 1 && j + 1 < columns.count() ? columns.size(j + 1) * panel_bytes / 64 : 0;
    for (std::size_t i = 0; i < rows.count(); ++i) {
      const Prefetch prefetch{weights + next * panel_bytes + i * lines / rows.count() * 64,
                              (i + 1) * lines / rows.count() - i * lines / rows.count()};
      tiles.at[(rows.size(i) - 1) * Tiles::kMaxPanels + width - 1](g, rows.begin(i), panel, prefetch);
    }
  }
}

}  // namespace
}  // namespace sesame::kernels
