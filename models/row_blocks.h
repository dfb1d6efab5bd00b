// How the rows and heads of a pass are split into items.
#pragma once

#include <cstddef>

#include "models/ragged.h"

namespace sesame::models {

// Rows a block: all of them on one thread, as long as they fit (kMaxBlock); otherwise two blocks a thread where rows
// suffice.
std::size_t rows_per_block(std::size_t rows, int threads);

// Blocks of `rows` rows.
std::size_t block_count(std::size_t rows, int threads);
// At most, whatever the number of threads.
std::size_t most_blocks(std::size_t rows);

// Attention items: a head of a sequence for some of its queries.
struct AttentionItem {
  std::size_t sequence = 0;
  std::size_t head = 0;
  std::size_t first = 0;    // row of the first query
  std::size_t queries = 0;  // rows from there on
};

// `first_only`: of each sequence, the query at position 0.
std::size_t attention_items(const RaggedBatch& ragged, std::size_t heads, bool first_only, int threads);
AttentionItem attention_item(const RaggedBatch& ragged, std::size_t heads, bool first_only, int threads,
                             std::size_t item);

}  // namespace sesame::models
