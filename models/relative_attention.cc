#include "models/relative_attention.h"

#include <algorithm>
#include <cassert>

#include "models/cursor.h"

namespace sesame::models {

using engine::Linear;

namespace {

// Rows whose products with the tables are made at a time. Each reads only the places between its first row's and its
// last row's furthest keys, so short blocks compute little that nobody reads; a GEMM wants some rows to share weights.
constexpr std::size_t kProductRows = 32;

// A line more than needed: rows a power of two apart would share the same few sets of L1.
std::size_t padded_stride(std::size_t columns) { return kernels::round_up(columns, kernels::kPanel) + kernels::kPanel; }

struct Range {
  std::ptrdiff_t low, high;  // both included
};

Range range_of(std::span<const std::uint32_t> positions) {
  const auto [low, high] = std::minmax_element(positions.begin(), positions.end());
  return {static_cast<std::ptrdiff_t>(*low), static_cast<std::ptrdiff_t>(*high)};
}

Range distances(const Range& queries, const Range& keys) { return {keys.low - queries.high, keys.high - queries.low}; }

// Columns of the tables' products, from a multiple of 16 on.
struct Columns {
  std::size_t begin, end;
};

Columns columns_of(const RelativePlaces& places, const Range& distances) {
  return {places.at(distances.low) / kernels::kPanel * kernels::kPanel, places.at(distances.high) + 1};
}

bool follow_each_other(std::span<const std::uint32_t> positions) {
  return std::adjacent_find(positions.begin(), positions.end(),
                            [](std::uint32_t a, std::uint32_t b) { return b != a + 1; }) == positions.end();
}

const Linear& of_head(const std::vector<Linear>& tables, std::size_t head) {
  return tables.size() == 1 ? tables[0] : tables[head];
}

struct Scratch {
  float* scores;          // [queries][score_stride]
  float* key_products;    // [keys][product_stride]
  float* query_products;  // [kProductRows][product_stride]
  std::int32_t* index;    // [keys]
  float* scale;           // [kProductRows]
  std::uint8_t* u8;       // [kProductRows][quantized row of head_dim]
  std::size_t score_stride, product_stride;

  Scratch(std::byte* memory, const RelativeAttention& relative, std::size_t queries, std::size_t keys) {
    score_stride = padded_stride(keys);
    product_stride = padded_stride(relative.places->count());
    Cursor cursor(memory);
    scores = cursor.take<float>(queries * score_stride);
    key_products = cursor.take<float>(relative.key.empty() ? 0 : keys * product_stride);
    query_products = cursor.take<float>(kProductRows * product_stride);
    index = cursor.take<std::int32_t>(keys);
    scale = cursor.take<float>(kProductRows);
    u8 = cursor.take<std::uint8_t>(0);
  }
};

// One head of one sequence.
class RelativeScores {
 public:
  RelativeScores(const RelativeAttention& relative, std::size_t head, const Positions& positions,
                 const kernels::Table& kernels, std::byte* memory, const kernels::AttentionF32& a)
      : relative_(relative),
        places_(*relative.places),
        head_(head),
        positions_(positions),
        kernels_(kernels),
        a_(a),
        scratch_(memory, relative, a.queries, a.keys),
        keys_(range_of(positions.keys)),
        all_(distances(range_of(positions.queries), keys_)),
        within_reach_(-all_.low <= places_.reach() && all_.high <= places_.reach()),
        dense_keys_(follow_each_other(positions.keys)) {}

  void run(kernels::AttentionF32& a) {
    const bool products = !relative_.query.empty() || !relative_.key.empty();
    if (!products && a.bias == nullptr && within_reach_ && dense_keys_ && follow_each_other(positions_.queries)) {
      // Row i + 1 is row i, one element on.
      a.bias = bias_at(positions_.keys[0], positions_.queries[0]);
      a.ld_bias = -1;
      return;
    }
    if (!relative_.key.empty()) multiply_keys();
    for (std::size_t i = 0; i < a.queries; i += kProductRows) add_block(i, std::min(kProductRows, a.queries - i));
    a.bias = scratch_.scores;
    a.ld_bias = static_cast<std::ptrdiff_t>(scratch_.score_stride);
  }

 private:
  const float* bias_at(std::uint32_t key, std::uint32_t query) const {
    const float* row = relative_.bias.data<float>() + head_ * places_.place.size();
    return row + places_.reach() + (static_cast<std::ptrdiff_t>(key) - static_cast<std::ptrdiff_t>(query));
  }

  void multiply_keys() {
    for (std::size_t j = 0; j < a_.keys; j += kProductRows) {
      const std::size_t rows = std::min(kProductRows, a_.keys - j);
      const Range block = range_of(positions_.keys.subspan(j, rows));
      multiply(of_head(relative_.key, head_), a_.k + static_cast<std::ptrdiff_t>(j) * a_.ldk, a_.ldk, rows,
               columns_of(places_, distances(range_of(positions_.queries), block)),
               scratch_.key_products + j * scratch_.product_stride);
    }
  }

  void multiply(const Linear& table, const float* x, std::ptrdiff_t ld, std::size_t rows, const Columns& columns,
                float* products) {
    engine::Rows from{x, ld};
    if (table.reads_quantized_rows()) {
      const std::size_t stride = Linear::quantized_row_bytes(a_.head_dim);
      for (std::size_t m = 0; m < rows; ++m) {
        scratch_.scale[m] =
            kernels_.quantize_row_u8(x + static_cast<std::ptrdiff_t>(m) * ld, a_.head_dim, scratch_.u8 + m * stride);
      }
      from.u8 = scratch_.u8;
      from.ld_u8 = static_cast<std::ptrdiff_t>(stride);
      from.scale = scratch_.scale;
    }
    table.run(kernels_, from, rows, columns.begin, columns.end, {}, products + columns.begin,
              static_cast<std::ptrdiff_t>(scratch_.product_stride));
  }

  void add_block(std::size_t begin, std::size_t rows) {
    if (!relative_.query.empty()) {
      const Range block = range_of(positions_.queries.subspan(begin, rows));
      multiply(of_head(relative_.query, head_), a_.q + static_cast<std::ptrdiff_t>(begin) * a_.ldq, a_.ldq, rows,
               columns_of(places_, distances(block, keys_)), scratch_.query_products);
    }
    for (std::size_t i = 0; i < rows; ++i) add_row(begin + i, scratch_.query_products + i * scratch_.product_stride);
  }

  void add_row(std::size_t i, const float* query_products) {
    float* scores = scratch_.scores + i * scratch_.score_stride;
    const float* bias = a_.bias;
    if (relative_.bias) {
      add_bias(i, scores);
      bias = scores;
    }
    kernels::RelativeRow row{};
    row.index = index_of(i);
    row.bias = bias;
    row.query = relative_.query.empty() ? nullptr : query_products;
    row.key = relative_.key.empty() ? nullptr : scratch_.key_products;
    row.ld_key = static_cast<std::ptrdiff_t>(scratch_.product_stride);
    row.n = a_.keys;
    row.y = scores;
    kernels_.relative_row(row);
  }

  void add_bias(std::size_t i, float* scores) {
    const float* table = bias_at(0, 0);
    for (std::size_t j = 0; j < a_.keys; ++j) {
      const float b = table[std::clamp(distance(i, j), -places_.reach(), places_.reach())];
      scores[j] = a_.bias ? a_.bias[j] + b : b;
    }
  }

  std::ptrdiff_t distance(std::size_t i, std::size_t j) const {
    return static_cast<std::ptrdiff_t>(positions_.keys[j]) - static_cast<std::ptrdiff_t>(positions_.queries[i]);
  }

  // The places of all keys as query i sees them.
  const std::int32_t* index_of(std::size_t i) {
    if (dense_keys_ && within_reach_) return places_.place.data() + places_.reach() + distance(i, 0);
    for (std::size_t j = 0; j < a_.keys; ++j) {
      scratch_.index[j] = static_cast<std::int32_t>(places_.at(distance(i, j)));
    }
    return scratch_.index;
  }

  const RelativeAttention& relative_;
  const RelativePlaces& places_;
  std::size_t head_;
  const Positions& positions_;
  const kernels::Table& kernels_;
  const kernels::AttentionF32 a_;
  Scratch scratch_;
  Range keys_;
  Range all_;
  bool within_reach_;
  bool dense_keys_;
};

// Columns that the products of blocks of rows at positions [0, rows) compute, all rows together.
double columns_computed(const RelativePlaces& places, std::size_t rows, std::size_t others, bool rows_are_keys) {
  double total = 0;
  const Range other{0, static_cast<std::ptrdiff_t>(others) - 1};
  for (std::size_t begin = 0; begin < rows; begin += kProductRows) {
    const std::size_t count = std::min(kProductRows, rows - begin);
    const Range block{static_cast<std::ptrdiff_t>(begin), static_cast<std::ptrdiff_t>(begin + count) - 1};
    const Columns c = columns_of(places, rows_are_keys ? distances(other, block) : distances(block, other));
    total += static_cast<double>(count) * static_cast<double>(c.end - c.begin);
  }
  return total;
}

}  // namespace

std::size_t RelativePlaces::at(std::ptrdiff_t distance) const {
  return static_cast<std::size_t>(place[static_cast<std::size_t>(std::clamp(distance, -reach(), reach()) + reach())]);
}

std::size_t RelativeAttention::weight_bytes() const {
  std::size_t bytes = bias ? bias.bytes() : 0;
  for (const Linear& table : query) bytes += table.weight_bytes();
  for (const Linear& table : key) bytes += table.weight_bytes();
  return bytes;
}

double RelativeAttention::multiply_adds(std::size_t heads, std::size_t queries, std::size_t keys) const {
  double columns = 0;
  std::size_t head_dim = 0;
  if (!query.empty()) {
    columns += columns_computed(*places, queries, keys, false);
    head_dim = query[0].in_features();
  }
  if (!key.empty()) {
    columns += columns_computed(*places, keys, queries, true);
    head_dim = key[0].in_features();
  }
  return columns * static_cast<double>(heads * head_dim);
}

std::size_t relative_scratch(const RelativeAttention& relative, std::size_t queries, std::size_t keys,
                             std::size_t head_dim) {
  if (!relative) return 0;
  const std::size_t stride = padded_stride(relative.places->count());
  return piece<float>(queries * padded_stride(keys)) + piece<float>(relative.key.empty() ? 0 : keys * stride) +
         piece<float>(kProductRows * stride) + piece<std::int32_t>(keys) + piece<float>(kProductRows) +
         kProductRows * Linear::quantized_row_bytes(head_dim);
}

void add_relative_scores(const RelativeAttention& relative, std::size_t head, const Positions& positions,
                         const kernels::Table& kernels, std::byte* scratch, kernels::AttentionF32& a) {
  assert(positions.queries.size() == a.queries && positions.keys.size() == a.keys && a.ld_bias == 0);
  RelativeScores(relative, head, positions, kernels, scratch, a).run(a);
}

}  // namespace sesame::models
