// How a GEMM is cut into tiles, apart from any arithmetic. Rows are split evenly into blocks of at most Tiles::kMaxRows
// and columns evenly into blocks of at most Tiles::panels(rows) panels of 16; nothing is padded or computed twice. A
// template instance of the tile exists for every (rows, panels), so each size runs its own fully unrolled code.
//
// Rows are taken in groups that fit in cache. Within a group, column blocks are the outer loop: a block of weights
// comes from memory once and is used by all the group's rows while it is in cache. Everything is in an unnamed
// namespace, since each level compiles it with its own flags.
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

// Row block i of `count` asks for its even share of what all of them ask for.
inline Prefetch share(Prefetch all, std::size_t i, std::size_t count) {
  const std::size_t begin = i * all.lines / count, end = (i + 1) * all.lines / count;
  return {all.data + begin * 64, end - begin};
}

template <class Tiles, class Gemm>
class Schedule {
 public:
  explicit Schedule(const Gemm& g)
      : g_(g),
        panel_bytes_(Tiles::panel_bytes(g)),
        rows_(g.M, Tiles::kMaxRows),
        groups_(rows_.count(), row_blocks_in_cache(g)),
        columns_((g.N + kPanel - 1) / kPanel,
                 static_cast<std::size_t>(Tiles::panels(static_cast<int>(rows_.size(0))))) {}

  void run() const {
    for (std::size_t group = 0; group < groups_.count(); ++group) {
      for (std::size_t column = 0; column < columns_.count(); ++column) run_block(group, column);
    }
  }

 private:
  // As many rows of a as leave most of a small L2 cache (1 MiB) to the weights.
  static std::size_t row_blocks_in_cache(const Gemm& g) {
    constexpr std::size_t kBytes = 384 * 1024;
    return kBytes / (g.K * sizeof(*g.a) * Tiles::kMaxRows + 1) + 1;
  }

  void run_block(std::size_t group, std::size_t column) const {
    const std::size_t count = groups_.size(group), first = groups_.begin(group);
    const std::size_t panel = columns_.begin(column), width = columns_.size(column);
    const Prefetch next = next_weights(group, column);
    for (std::size_t i = 0; i < count; ++i) {
      const auto tile = kTiles.at[(rows_.size(first + i) - 1) * Tiles::kMaxPanels + width - 1];
      tile(g_, rows_.begin(first + i), panel, share(next, i, count));
    }
  }

  // The block of weights after this one. A single row block only streams through the weights, which the hardware
  // foresees.
  Prefetch next_weights(std::size_t group, std::size_t column) const {
    const bool last_column = column + 1 == columns_.count();
    if (rows_.count() == 1 || (last_column && group + 1 == groups_.count())) return {nullptr, 0};
    const std::size_t next = last_column ? 0 : column + 1;
    return {reinterpret_cast<const char*>(g_.b) + columns_.begin(next) * panel_bytes_,
            columns_.size(next) * panel_bytes_ / 64};
  }

  static constexpr auto kTiles =
      tile_table<Tiles, Gemm>(std::make_index_sequence<Tiles::kMaxRows * Tiles::kMaxPanels>());
  const Gemm& g_;
  const std::size_t panel_bytes_;
  const EvenSplit rows_, groups_, columns_;
};

template <class Tiles, class Gemm>
void run_gemm(const Gemm& g) {
  if (g.M > 0 && g.N > 0) Schedule<Tiles, Gemm>(g).run();
}

}  // namespace
}  // namespace sesame::kernels
