// A padded batch as ragged rows: which positions are computed, and where each one's row lies.
//
// A sequence's rows are its keys, the positions that the mask keeps, in order of position; after them the other
// positions whose output somebody asked for. Padding that nobody reads has no row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/tensor.h"

namespace sesame::models {

// What the mask operand of attention means.
enum class MaskKind {
  none,          // every position is a key
  additive,      // float, added to the scores
  drop_if_true,  // bool: where true, the score is replaced by `fill`
  keep_if_true,  // bool: where false, the score is replaced by `fill`
  each_query,    // float [batch or 1][queries][keys], added to the scores: every position is a key
};

// What a position that the mask drops has for a context of its own, when its output is asked for.
enum class MaskedQueries {
  as_others,          // the keys alone decide
  zero,               // nothing: its probabilities are cleared
  zero_without_keys,  // as others, but nothing where the mask keeps no key: all probabilities are cleared
  zero_where_nan,     // as others, but nothing where the mask adds -infinity everywhere: NaN is cleared
  uniform,            // the mean of all positions' values: each of its scores was replaced by the same number
};

struct Mask {
  MaskKind kind = MaskKind::none;
  float fill = 0;
  MaskedQueries masked_queries = MaskedQueries::as_others;  // others only where a bool mask drops
};

struct Sequence {
  std::size_t begin = 0;        // first row
  std::size_t keys = 0;         // rows [begin, begin + keys)
  std::size_t end = 0;          // one past the last row
  std::size_t first_row = 0;    // the row of position 0
  bool flat = false;            // every score was replaced by the same number: attention is uniform; all are masked
  bool empty = false;           // the mask adds -infinity everywhere
  const float* bias = nullptr;  // [keys], added to the scores of every query, or null
  const float* query_biases = nullptr;  // [length][length], of MaskKind::each_query: every row a position
};

// Which positions need a row beyond the keys.
enum class Queries { keys, first, all };

class RaggedBatch {
 public:
  // Bytes of memory that lay_out needs for `batch` sequences of up to `length` positions.
  static std::size_t bytes(std::size_t batch, std::size_t length);

  // Lays the batch out in `memory`. `mask_values` is undefined, [batch, .., length] or [.., length] with ones between,
  // or MaskKind::each_query's, which is to stay where it is.
  // A position whose additive bias is over 1000 below the sequence's largest contributes exp(-1000 + ..) = 0 and is
  // dropped; so is one that a bool mask drops, whose fill is below -1000. A sequence that would keep nothing keeps
  // everything, as the graph's softmax over equal numbers does; where all of it is -infinity the answer is NaN.
  static RaggedBatch& lay_out(std::byte* memory, std::size_t batch, std::size_t length, const Mask& mask,
                              const engine::Tensor& mask_values, Queries queries);
  static const RaggedBatch& at(const std::byte* memory) { return *reinterpret_cast<const RaggedBatch*>(memory); }

  std::size_t rows() const { return rows_; }
  std::span<const Sequence> sequences() const { return {sequences_, batch_}; }
  const Sequence& sequence(std::size_t b) const { return sequences_[b]; }
  std::size_t batch() const { return batch_; }
  std::size_t length() const { return length_; }
  std::size_t position(std::size_t row) const { return positions_[row]; }
  std::span<const std::uint32_t> positions(std::size_t row, std::size_t count) const {
    return {positions_ + row, count};
  }
  std::size_t sequence_of(std::size_t row) const { return sequence_of_[row]; }

 private:
  void lay_out_sequence(std::size_t b, const Mask& mask, const engine::Tensor& mask_values, Queries queries);
  void place(std::size_t b, std::size_t position);

  std::size_t batch_ = 0;
  std::size_t length_ = 0;
  std::size_t rows_ = 0;
  Sequence* sequences_ = nullptr;         // [batch]
  std::uint32_t* positions_ = nullptr;    // [rows]
  std::uint32_t* sequence_of_ = nullptr;  // [rows]
  float* biases_ = nullptr;               // [batch][length]
};

}  // namespace sesame::models
