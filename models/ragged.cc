#include "models/ragged.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>

#include "kernels/pack.h"

namespace sesame::models {

namespace {

// A position this far below the best one's bias has a probability of exp(-1000) whatever its score: 0 in float.
constexpr float kDropped = 1000;

// From here on an additive mask swallows every score that it is added to: what is left is flat.
constexpr float kSwallows = 1e30f;

template <class T>
T* take(std::byte*& memory, std::size_t count) {
  T* p = reinterpret_cast<T*>(memory);
  memory += kernels::round_up(count * sizeof(T), 64);
  return p;
}

// The mask of one sequence as an additive bias a position.
float bias_at(const Mask& mask, const engine::Tensor& values, std::size_t index) {
  switch (mask.kind) {
    case MaskKind::none:
    case MaskKind::each_query:
      return 0;
    case MaskKind::additive:
      return values.data<float>()[index];
    case MaskKind::drop_if_true:
      return values.data<bool>()[index] ? mask.fill : 0;
    case MaskKind::keep_if_true:
      break;
  }
  return values.data<bool>()[index] ? 0 : mask.fill;
}

}  // namespace

std::size_t RaggedBatch::bytes(std::size_t batch, std::size_t length) {
  const std::size_t rows = batch * length;
  return kernels::round_up(sizeof(RaggedBatch), 64) + kernels::round_up(batch * sizeof(Sequence), 64) +
         2 * kernels::round_up(rows * sizeof(std::uint32_t), 64) + kernels::round_up(rows * sizeof(float), 64);
}

RaggedBatch& RaggedBatch::lay_out(std::byte* memory, std::size_t batch, std::size_t length, const Mask& mask,
                                  const engine::Tensor& mask_values, Queries queries) {
  auto& ragged = *new (memory) RaggedBatch;
  memory += kernels::round_up(sizeof(RaggedBatch), 64);
  ragged.batch_ = batch;
  ragged.length_ = length;
  ragged.sequences_ = take<Sequence>(memory, batch);
  ragged.positions_ = take<std::uint32_t>(memory, batch * length);
  ragged.sequence_of_ = take<std::uint32_t>(memory, batch * length);
  ragged.biases_ = take<float>(memory, batch * length);
  for (std::size_t b = 0; b < batch; ++b) ragged.lay_out_sequence(b, mask, mask_values, queries);
  return ragged;
}

void RaggedBatch::lay_out_sequence(std::size_t b, const Mask& mask, const engine::Tensor& values, Queries queries) {
  Sequence s;
  s.begin = rows_;
  const bool by_query = mask.kind == MaskKind::each_query;
  const std::size_t one = by_query ? length_ * length_ : length_;
  // Of shape [.., length] with ones before, it is every sequence's.
  const bool shared = !values || values.size() == static_cast<std::int64_t>(one);
  if (by_query) s.query_biases = values.data<float>() + (shared ? 0 : b * one);
  const std::size_t row_of_mask = shared ? 0 : b * length_;
  float* bias = biases_ + b * length_;
  float largest = -std::numeric_limits<float>::infinity();
  for (std::size_t p = 0; p < length_; ++p) {
    bias[p] = bias_at(mask, values, row_of_mask + p);
    if (bias[p] > largest) largest = bias[p];
  }
  // Not `largest - bias <= kDropped`: where everything is -infinity, everything is kept.
  const auto kept = [&](std::size_t p) { return !(bias[p] < largest - kDropped); };

  const bool kept_first = length_ > 0 && kept(0);
  bool plain = true;
  bool finite = true;
  for (std::size_t p = 0; p < length_; ++p) {
    if (!kept(p)) continue;
    if (p == 0) s.first_row = rows_;
    place(b, p);
    plain &= bias[p] == 0;
    finite &= std::isfinite(bias[p]);
  }
  s.keys = rows_ - s.begin;
  // Biases move to their keys: position p of the source is never before key j of the target.
  for (std::size_t j = 0; j < s.keys; ++j) bias[j] = bias[positions_[s.begin + j]];
  // Where everything is -infinity or NaN the bias stays, and the answer is NaN, as the graph's softmax has it.
  s.flat = finite && largest < 0 && (mask.kind != MaskKind::additive || largest <= -kSwallows);
  if (!plain && !s.flat) s.bias = bias;
  s.empty = length_ > 0 && largest == -std::numeric_limits<float>::infinity() && !std::isnan(bias[0]);

  // A first row that is the mean of all positions' values needs them all.
  const bool averages = mask.masked_queries == MaskedQueries::uniform && !kept_first;
  if (queries == Queries::first && averages) queries = Queries::all;
  std::size_t next_key = 0;
  for (std::size_t p = 0; p < length_ && queries != Queries::keys; ++p) {
    if (next_key < s.keys && positions_[s.begin + next_key] == p) {
      ++next_key;
    } else if (queries == Queries::all || p == 0) {
      if (p == 0) s.first_row = rows_;
      place(b, p);
    }
  }
  s.end = rows_;
  sequences_[b] = s;
}

void RaggedBatch::place(std::size_t b, std::size_t position) {
  positions_[rows_] = static_cast<std::uint32_t>(position);
  sequence_of_[rows_] = static_cast<std::uint32_t>(b);
  ++rows_;
}

}  // namespace sesame::models
