#include "models/row_blocks.h"

#include <algorithm>

#include "models/encoder_memory.h"

namespace sesame::models {

namespace {

// Rows in a block at least, when there are threads to feed: below, a GEMM reads more weights than it does arithmetic.
constexpr std::size_t kMinBlock = 16;
// Queries that one attention item takes at most, when there are threads to feed.
constexpr std::size_t kQueriesPerItem = 128;

std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

std::size_t query_blocks(const Sequence& s, bool first_only, int threads) {
  return first_only || threads == 1 ? 1 : ceil_div(s.end - s.begin, kQueriesPerItem);
}

}  // namespace

std::size_t rows_per_block(std::size_t rows, int threads) {
  const std::size_t share = threads == 1 ? rows : ceil_div(rows, 2 * static_cast<std::size_t>(threads));
  const std::size_t blocks = std::max<std::size_t>(ceil_div(rows, std::clamp(share, kMinBlock, kMaxBlock)), 1);
  return std::max<std::size_t>(ceil_div(rows, blocks), 1);
}

std::size_t block_count(std::size_t rows, int threads) { return ceil_div(rows, rows_per_block(rows, threads)); }

std::size_t most_blocks(std::size_t rows) { return ceil_div(rows, kMinBlock) + 1; }

std::size_t attention_items(const RaggedBatch& ragged, std::size_t heads, bool first_only, int threads) {
  std::size_t items = 0;
  for (const Sequence& s : ragged.sequences()) items += heads * query_blocks(s, first_only, threads);
  return ragged.rows() ? items : 0;
}

AttentionItem attention_item(const RaggedBatch& ragged, std::size_t heads, bool first_only, int threads,
                             std::size_t item) {
  AttentionItem found;
  for (;; ++found.sequence) {
    const std::size_t items = heads * query_blocks(ragged.sequence(found.sequence), first_only, threads);
    if (item < items) break;
    item -= items;
  }
  const Sequence& s = ragged.sequence(found.sequence);
  found.head = item % heads;
  if (first_only) {
    found.first = s.first_row;
    found.queries = 1;
    return found;
  }
  found.first = s.begin + item / heads * kQueriesPerItem;
  found.queries = threads == 1 ? s.end - found.first : std::min(s.end - found.first, kQueriesPerItem);
  return found;
}

}  // namespace sesame::models
