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

template <class T>
T* row_of(T* matrix, std::ptrdiff_t stride, std::size_t m) {
  return matrix + static_cast<std::ptrdiff_t>(m) * stride;
}

// The same column in up to 8 rows of a matrix. Left to itself g++ keeps 7 multiples of the stride in registers, and for
// want of them a loop's counters in vector registers, which costs multiply-adds.
template <class T>
class RowPointers {
 public:
  RowPointers(T* row, std::ptrdiff_t stride) : stride_(stride), first_(row), fifth_(row + 4 * stride) {
    asm("" : "+r"(fifth_));  // so that it doesn't see what they have in common
  }
  T* operator[](int r) const { return r < 4 ? first_ + r * stride_ : fifth_ + (r - 4) * stride_; }
  void advance(std::ptrdiff_t columns) { first_ += columns, fifth_ += columns; }

 private:
  std::ptrdiff_t stride_;
  T *first_, *fifth_;
};

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

// The weights that a tile asks for ahead of their use: `steps` cache lines from `data` on, and as many in each of the
// panels that follow.
struct Prefetch {
  const char* data;
  std::size_t steps;
};

// Weights that several tiles ask for, each for its even share.
class Shares {
 public:
  Shares() = default;
  Shares(Prefetch all, std::size_t tiles)
      : data_(all.data), steps_(all.steps / tiles), larger_(all.steps - steps_ * tiles) {}
  Prefetch next() {
    const Prefetch share = {data_, steps_ + (larger_ > 0 ? 1 : 0)};
    data_ += share.steps * 64;
    if (larger_ > 0) --larger_;
    return share;
  }

 private:
  const char* data_ = nullptr;
  std::size_t steps_ = 0, larger_ = 0;  // so many shares, which come first, have one more step
};

// Sums of a tile at most.
constexpr std::size_t kMaxTile = 24 * kPanel;

// Tiles::kMaxSteps of tiles that never split the depth.
constexpr std::size_t kWholeDepth = std::size_t{1} << 48;

// What a tile computes. A step is a cache line of each panel's weights: 1 value of k in fp32, 2 in bf16, 4 in
// int8.
struct TileTask {
  std::size_t m, panel;     // first row, first panel
  std::size_t step, steps;  // its part of the depth
  bool first, last;         // whether that part begins and ends the depth
  float* partial;           // the tile's sums between two parts, R * P * 16 of them; only for Tiles that split
  Prefetch prefetch;
  // Only for Tiles that widen: where the rows of a and the weights are, widened, and whether this tile is to widen
  // them. No place for weights: only this tile uses them.
  float *wide_rows, *wide_weights;
  bool widens_rows, widens_weights;
};

// Runs step() for `groups` groups of steps, and ask() before each.
template <std::size_t Group, class Ask, class Step>
[[gnu::always_inline]] inline void for_each_group(std::size_t groups, Ask ask, Step step) {
  for (; groups > 0; --groups) {
    ask();
#pragma GCC unroll 4
    for (std::size_t i = 0; i < Group; ++i) step();
  }
}

// What a tile adds to its sums, if that isn't the part of c where they go.
template <class Gemm>
const float* separate_residual(const Gemm& g) {
  if constexpr (requires { g.epilogue; }) return g.epilogue.residual != g.c ? g.epilogue.residual : nullptr;
  return nullptr;
}
template <class Gemm>
std::ptrdiff_t residual_stride(const Gemm& g) {
  if constexpr (requires { g.epilogue; }) return g.epilogue.ld_residual;
  return 0;
}

// Runs step() for the task's steps, and between groups of them asks for what is needed later: in the first groups for a
// step of its share of the next weights, then for the rows of a of the block that follows, and near the end for a row
// of the tile's part of c (a store to a line that isn't in cache waits for it) and of what is added there. Earlier than
// that, a deep tile's weights would have driven those from L1 again; in one go, they would keep its weights waiting.
// What is asked for when has loops of its own, and the size of a group is known to the compiler: deciding them in every
// group costs 1 % and up to 0.5 % of a tile.
template <class Tiles, std::size_t Group, int R, int P, class Gemm, class Step>
[[gnu::always_inline]] inline void ask_and_step(const Gemm& g, const TileTask& task, Step step) {
  const std::size_t groups = task.steps / Group, panel_bytes = Tiles::steps(g) * 64;
  const char* next = task.prefetch.data;
  const auto ask_weights = [&] __attribute__((always_inline)) {
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) __builtin_prefetch(next + p * panel_bytes, 0, 2);
    next += 64;
  };
  const auto* c = row_of(g.c, g.ldc, task.m) + task.panel * kPanel;
  const float* residual = separate_residual(g);
  const std::ptrdiff_t ld_residual = residual_stride(g);
  if (residual) residual = row_of(residual, ld_residual, task.m) + task.panel * kPanel;
  const auto ask_row = [&] __attribute__((always_inline)) {
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) __builtin_prefetch(c + p * kPanel, 1, 3);
    __builtin_prefetch(c + P * kPanel - 1, 1, 3);  // rows of c need not begin with a line
    c += g.ldc;
    if (residual == nullptr) return;
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) __builtin_prefetch(residual + p * kPanel, 0, 3);
    residual += ld_residual;
  };
  const auto ask_both = [&] __attribute__((always_inline)) {
    ask_row();
    ask_weights();
  };
  // As if there were no gaps between rows. There are between parts of the depth, and those aren't asked for.
  const char* a = reinterpret_cast<const char*>(row_of(g.a, g.lda, task.m + R < g.M ? task.m + R : 0));
  const auto ask_rows_of_a = [&] __attribute__((always_inline)) {
    if constexpr (Tiles::kMaxSteps == kWholeDepth) {
      constexpr int kLines = (R * Group * Tiles::kStepBytes + 63) / 64;
#pragma GCC unroll 8
      for (int i = 0; i < kLines; ++i, a += 64) __builtin_prefetch(a, 0, 3);
    }
  };

  const std::size_t rows = !task.last ? 0 : groups < R ? groups : R;
  const std::size_t share = task.prefetch.steps, asking = share < groups ? share : groups;
  const std::size_t both = asking + rows > groups ? asking + rows - groups : 0;
  const std::size_t left = groups - asking - (rows - both), last = left < R ? left : R;
  for_each_group<Group>(asking - both, ask_weights, step);
  for_each_group<Group>(left - last, ask_rows_of_a, step);
  for_each_group<Group>(both, ask_both, step);
  for_each_group<Group>(rows - both, ask_row, step);
  for_each_group<Group>(last, ask_rows_of_a, step);
  for (std::size_t i = groups * Group; i < task.steps; ++i) step();
}

// Two row blocks share the next weights at a request every other step, more of them at one in 4.
template <class Tiles, int R, int P, class Gemm, class Step>
[[gnu::always_inline]] inline void for_each_step(const Gemm& g, const TileTask& task, Step step) {
  if (task.prefetch.steps > task.steps / 4) {
    ask_and_step<Tiles, 2, R, P>(g, task, step);
  } else {
    ask_and_step<Tiles, 4, R, P>(g, task, step);
  }
}

// Tiles::tile<R, P> for `blocks` row blocks, the task's and those below it. In one function, since a call for each
// would cost a tile of 768 deep 1 %.
template <class Tiles, int R, int P, class Gemm>
void run_tiles(const Gemm& g, TileTask& task, std::size_t blocks, Shares& shares) {
  for (;;) {
    task.prefetch = shares.next();
    Tiles::template tile<R, P>(g, task);
    if (--blocks == 0) return;
    task.m += R;
    if (!task.first || !task.last) task.partial += kMaxTile;
  }
}

// run_tiles<Tiles, rows, panels> for sizes known at run time.
template <class Tiles, class Gemm, std::size_t... Index>
constexpr auto tile_table(std::index_sequence<Index...>) {
  using Function = void (*)(const Gemm&, TileTask&, std::size_t, Shares&);
  struct Table {
    Function at[sizeof...(Index)];
  };
  constexpr auto entry = []<std::size_t I>() -> Function {
    constexpr int rows = I / Tiles::kMaxPanels + 1, panels = I % Tiles::kMaxPanels + 1;
    if constexpr (panels <= Tiles::panels(rows)) return &run_tiles<Tiles, rows, panels, Gemm>;
    return nullptr;
  };
  return Table{{entry.template operator()<Index>()...}};
}

// The operands of tiles that compute with wider ones than there are: those of a tile's rows, and those of several
// blocks of columns, so that either serves more than one tile. Such Tiles have a Wide of this shape.
struct NotWide {
  static constexpr std::size_t kColumns = 1;  // blocks of columns taken at once
  float rows[1], weights[kColumns][1];
};
template <class Tiles>
struct WideOf {
  using Type = NotWide;
};
template <class Tiles>
requires requires { typename Tiles::Wide; }
struct WideOf<Tiles> {
  using Type = typename Tiles::Wide;
};

template <class Tiles, class Gemm>
class Schedule {
 public:
  explicit Schedule(const Gemm& g)
      : g_(g),
        panel_bytes_(Tiles::steps(g) * 64),
        rows_(g.M, Tiles::kMaxRows),
        columns_((g.N + kPanel - 1) / kPanel, static_cast<std::size_t>(Tiles::panels(static_cast<int>(rows_.size(0))))),
        depths_(Tiles::steps(g), Tiles::kMaxSteps),
        groups_(rows_.count(), row_blocks_in_cache()) {}

  void run() const {
    for (std::size_t group = 0; group < groups_.count(); ++group) {
      for (std::size_t column = 0; column < columns_.count(); column += Wide::kColumns) run_block(group, column);
    }
  }

 private:
  static constexpr std::size_t kMaxSplitBlocks = 16;  // row blocks in a group when the depth is split
  static constexpr bool kSplits = Tiles::kMaxSteps < kWholeDepth;
  using Wide = typename WideOf<Tiles>::Type;

  // As many rows of a as leave most of a small L2 cache (1 MiB) to the weights.
  std::size_t row_blocks_in_cache() const {
    constexpr std::size_t kBytes = 384 * 1024;
    const std::size_t row_bytes = depths_.count() ? depths_.size(0) * Tiles::kStepBytes : 1;
    const std::size_t blocks = kBytes / (row_bytes * Tiles::kMaxRows) + 1;
    return depths_.count() > 1 && blocks > kMaxSplitBlocks ? kMaxSplitBlocks : blocks;
  }

  // All rows of the group times the blocks of columns from `first` on that are taken at once, a part of the depth at a
  // time. There is always a part: without depth it is empty.
  void run_block(std::size_t group, std::size_t first) const {
    const std::size_t count = groups_.size(group), depths = depths_.count() ? depths_.count() : 1;
    const std::size_t rest = columns_.count() - first, columns = rest < Wide::kColumns ? rest : Wide::kColumns;
    float partial[kSplits ? Wide::kColumns * kMaxSplitBlocks * kMaxTile : 1];
    alignas(64) Wide wide;
    for (std::size_t depth = 0; depth < depths; ++depth) {
      Shares shares[Wide::kColumns];
      for (std::size_t j = 0; j < columns; ++j) shares[j] = Shares(next_weights(group, first + j, depth), count);
      for (std::size_t i = 0; i < count;) {
        const std::size_t block = groups_.begin(group) + i, blocks = Wide::kColumns > 1 ? 1 : alike(block, count - i);
        for (std::size_t j = 0; j < columns; ++j) {
          const std::size_t column = first + j;
          TileTask task{rows_.begin(block),
                        columns_.begin(column),
                        depths_.begin(depth),
                        depths_.size(depth),
                        depth == 0,
                        depth + 1 == depths,
                        partial + (depths > 1 ? (i * Wide::kColumns + j) * kMaxTile : 0),
                        {},
                        wide.rows,
                        count > 1 ? wide.weights[j] : nullptr,
                        j == 0,
                        i == 0};
          kTiles.at[(rows_.size(block) - 1) * Tiles::kMaxPanels + columns_.size(column) - 1](g_, task, blocks,
                                                                                             shares[j]);
        }
        i += blocks;
      }
    }
  }

  // Of up to `most` row blocks from `block` on, those of its size.
  std::size_t alike(std::size_t block, std::size_t most) const {
    std::size_t count = 1;
    while (count < most && rows_.size(block + count) == rows_.size(block)) ++count;
    return count;
  }

  Prefetch weights(std::size_t column, std::size_t depth) const {
    if (rows_.count() == 1)
      return {nullptr, 0};  // a single row block streams through them, which the hardware foresees
    const char* begin = reinterpret_cast<const char*>(g_.b) + columns_.begin(column) * panel_bytes_;
    return {begin + depths_.begin(depth) * 64, depths_.size(depth)};
  }

  // The weights behind those of this part: of the next part, or the first of the block that takes this one's place.
  Prefetch next_weights(std::size_t group, std::size_t column, std::size_t depth) const {
    if (depth + 1 < depths_.count()) return weights(column, depth + 1);
    if (column + Wide::kColumns < columns_.count()) return weights(column + Wide::kColumns, 0);
    return group + 1 < groups_.count() ? weights(column % Wide::kColumns, 0) : Prefetch{nullptr, 0};
  }

  static constexpr auto kTiles =
      tile_table<Tiles, Gemm>(std::make_index_sequence<Tiles::kMaxRows * Tiles::kMaxPanels>());
  const Gemm& g_;
  const std::size_t panel_bytes_;
  const EvenSplit rows_, columns_, depths_, groups_;
};

template <class Tiles, class Gemm>
void run_gemm(const Gemm& g) {
  if (g.M > 0 && g.N > 0) Schedule<Tiles, Gemm>(g).run();
}

}  // namespace
}  // namespace sesame::kernels
