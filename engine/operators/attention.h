// Attention over heads: what ONNX Runtime's attention operators share once they have queries, keys and values.
#pragma once

#include <cstdint>

#include "engine/operators/common.h"

namespace sesame::engine {

struct HeadShape {
  std::int64_t batch, heads;
  std::int64_t queries;
  std::int64_t past, keys;  // keys of earlier passes, and of this one
  std::int64_t head_dim, value_dim;

  std::int64_t total() const { return past + keys; }
};

// Rows of float32 of every head of every sequence, read through strides.
struct HeadRows {
  const float* data = nullptr;
  std::int64_t batch_stride = 0, head_stride = 0, row_stride = 0;

  const float* of(std::int64_t batch, std::int64_t head) const {
    return data + batch * batch_stride + head * head_stride;
  }
};

// What is added to the scores: `filter` where the mask forbids a key, and a given bias.
//
// Masks (int32): [batch] ends of right-padded sequences; [2 batch] ends, then starts; [batch, total] or
// [batch, queries, total] with 0 for forbidden; [batch, 1, longest, longest], likewise, of which rows from `past` on
// are read. The bias: [batch or 1, heads or 1, queries, total].
class ScoreBias {
 public:
  // Throws Error where shapes do not fit. Either may be undefined.
  static void check(const HeadShape& shape, const Tensor& mask, const Tensor& bias);

  // A causal query attends to keys up to its own position: a later one gets the lowest number, which is below any
  // `filter`, so that a row all of whose keys the mask forbids still looks back only.
  ScoreBias(const HeadShape& shape, const Tensor& mask, const Tensor& bias, bool causal, float filter);

  bool is_none() const { return !mask_ && !bias_.has_data() && !causal_; }
  // Whether all queries of a sequence share one row.
  bool is_row() const { return !bias_.has_data() && !causal_ && mask_.rank() <= 2; }
  // Writes [queries][total], or one row.
  void fill(std::int64_t batch, std::int64_t head, float* scores) const;

 private:
  bool allowed(std::int64_t batch, std::int64_t query, std::int64_t key) const;

  HeadShape shape_;
  Tensor mask_;
  Tensor bias_;  // as float32
  bool causal_;
  float filter_;
};

// Keys and values of earlier passes and where to write all of them, each [batch][heads][rows][dim]; null where unused.
struct KeyValueState {
  const float* past_keys = nullptr;
  const float* past_values = nullptr;
  float* present_keys = nullptr;
  float* present_values = nullptr;
};

// out[b][i][h * value_dim + d] = sum_j softmax_j(q[b][h][i] . k[b][h][j] * scale + bias) v[b][h][j][d].
void attend(const kernels::Table& kernels, const HeadShape& shape, float scale, const HeadRows& q, const HeadRows& k,
            const HeadRows& v, const ScoreBias& bias, const KeyValueState& state, float* out);

}  // namespace sesame::engine
