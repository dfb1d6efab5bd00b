#include "engine/operators/attention.h"

#include <algorithm>
#include <cstddef>
#include <limits>

#include "engine/operators/loops.h"

namespace sesame::engine {

void ScoreBias::check(const HeadShape& s, const Tensor& mask, const Tensor& bias) {
  if (mask) {
    check_type("the mask", mask.type(), Types<std::int32_t>{});
    const Shape& found = mask.shape();
    const bool fits = found == Shape{s.batch} || found == Shape{2 * s.batch} || found == Shape{s.batch, s.total()} ||
                      found == Shape{s.batch, s.queries, s.total()} || found == Shape{s.batch, 1} ||
                      found == Shape{1, 1} ||
                      (found.size() == 4 && found[0] == s.batch && found[1] == 1 && found[2] >= s.past + s.queries &&
                       found[3] >= s.total());
    if (!fits) {
      throw Error("a mask of shape " + to_string(found) + " does not fit " + std::to_string(s.batch) +
                  " sequences of " + std::to_string(s.queries) + " queries and " + std::to_string(s.total()) + " keys");
    }
  }
  if (bias) {
    check_type("the attention bias", bias.type(), Types<float, Half>{});
    const Shape full{s.batch, s.heads, s.queries, s.total()};
    if (bias.rank() != 4 || bias.dim(2) != full[2] || bias.dim(3) != full[3] || !broadcasts_to(bias.shape(), full)) {
      throw Error("the attention bias has shape " + to_string(bias.shape()) + ", expected " + to_string(full));
    }
  }
}

ScoreBias::ScoreBias(const HeadShape& shape, const Tensor& mask, const Tensor& bias, bool causal, float filter)
    : shape_(shape), mask_(mask), causal_(causal), filter_(filter) {
  if (bias) bias_ = as_floats(bias);
  // A mask of one column stands for none.
  if (mask_.rank() == 2 && mask_.dim(1) != shape.total()) mask_ = Tensor();
}

bool ScoreBias::allowed(std::int64_t batch, std::int64_t query, std::int64_t key) const {
  if (!mask_) return true;
  const std::int32_t* m = mask_.data<std::int32_t>();
  switch (mask_.rank()) {
    case 1:
      return key < m[batch] && (mask_.dim(0) == shape_.batch || key >= m[shape_.batch + batch]);
    case 2:
      return m[batch * shape_.total() + key] > 0;
    case 3:
      return m[(batch * shape_.queries + query) * shape_.total() + key] > 0;
    default:
      return m[(batch * mask_.dim(2) + shape_.past + query) * mask_.dim(3) + key] > 0;
  }
}

void ScoreBias::fill(std::int64_t batch, std::int64_t head, float* scores) const {
  const std::int64_t rows = is_row() ? 1 : shape_.queries;
  const float* given = nullptr;
  if (bias_) {
    const std::int64_t b = bias_.dim(0) == 1 ? 0 : batch;
    const std::int64_t h = bias_.dim(1) == 1 ? 0 : head;
    given = bias_.data<float>() + (b * bias_.dim(1) + h) * shape_.queries * shape_.total();
  }
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < shape_.total(); ++j) {
      float score = allowed(batch, i, j) ? 0.0f : filter_;
      if (given != nullptr) score += given[i * shape_.total() + j];
      if (causal_ && j > shape_.past + i) score = std::numeric_limits<float>::lowest();
      scores[i * shape_.total() + j] = score;
    }
  }
}

namespace {

// Rows of one head: the past ones first, then those of this pass, dense and padded with zeros to `width`.
void join_rows(const float* past, std::int64_t past_rows, const float* rows, std::int64_t row_stride,
               std::int64_t count, std::int64_t dim, std::int64_t width, float* to) {
  std::fill_n(to, (past_rows + count) * width, 0.0f);
  for (std::int64_t i = 0; i < past_rows; ++i, to += width) std::copy_n(past + i * dim, dim, to);
  for (std::int64_t i = 0; i < count; ++i, to += width) std::copy_n(rows + i * row_stride, dim, to);
}

void copy_rows(const float* from, std::int64_t width, std::int64_t rows, std::int64_t dim, float* to) {
  for (std::int64_t i = 0; i < rows; ++i) std::copy_n(from + i * width, dim, to + i * dim);
}

// Tensors of floats that are reused from head to head.
Tensor buffer(std::int64_t size) { return Tensor::allocate(DType::f32, {size}); }

// Where heads of different widths, or with a past, are laid out for the kernel.
struct Workspace {
  Tensor q, k, v, out;

  Workspace(const HeadShape& s, std::int64_t width)
      : q(buffer(s.queries * width)),
        k(buffer(s.total() * width)),
        v(buffer(s.total() * width)),
        out(buffer(s.queries * width)) {}
};

}  // namespace

void attend(const kernels::Table& kernels, const HeadShape& s, float scale, const HeadRows& q, const HeadRows& k,
            const HeadRows& v, const ScoreBias& bias, const KeyValueState& state, float* out) {
  const std::int64_t width = std::max(s.head_dim, s.value_dim);
  const bool joins = s.past != 0 || s.head_dim != s.value_dim || state.present_keys != nullptr;
  std::optional<Workspace> w;
  if (joins) w.emplace(s, width);
  const auto queries = static_cast<std::size_t>(s.queries), keys = static_cast<std::size_t>(s.total()),
             dim = static_cast<std::size_t>(width);
  const Tensor scratch =
      Tensor::allocate(DType::u8, {static_cast<std::int64_t>(kernels::attention_f32_scratch(queries, keys, dim))});
  const Tensor scores = bias.is_none() ? Tensor() : buffer((bias.is_row() ? 1 : s.queries) * s.total());

  kernels::AttentionF32 a{};
  a.queries = queries;
  a.keys = keys;
  a.head_dim = dim;
  a.scale = scale;
  a.scratch = static_cast<std::byte*>(scratch.raw());
  if (scores) {
    a.bias = scores.data<float>();
    a.ld_bias = bias.is_row() ? 0 : s.total();
  }
  const std::int64_t hidden = s.heads * s.value_dim;
  for (std::int64_t n = 0; n < s.batch * s.heads; ++n) {
    const std::int64_t b = n / s.heads, h = n % s.heads;
    float* to = out + b * s.queries * hidden + h * s.value_dim;
    if (scores) bias.fill(b, h, scores.data<float>());
    if (!joins) {
      a.q = q.of(b, h);
      a.ldq = q.row_stride;
      a.k = k.of(b, h);
      a.ldk = k.row_stride;
      a.v = v.of(b, h);
      a.ldv = v.row_stride;
      a.out = to;
      a.ldo = hidden;
      kernels.attention_f32(a);
      continue;
    }
    const auto past = [&](const float* rows, std::int64_t d) { return rows == nullptr ? rows : rows + n * s.past * d; };
    join_rows(nullptr, 0, q.of(b, h), q.row_stride, s.queries, s.head_dim, width, w->q.data<float>());
    join_rows(past(state.past_keys, s.head_dim), s.past, k.of(b, h), k.row_stride, s.keys, s.head_dim, width,
              w->k.data<float>());
    join_rows(past(state.past_values, s.value_dim), s.past, v.of(b, h), v.row_stride, s.keys, s.value_dim, width,
              w->v.data<float>());
    if (state.present_keys != nullptr) {
      copy_rows(w->k.data<float>(), width, s.total(), s.head_dim, state.present_keys + n * s.total() * s.head_dim);
      copy_rows(w->v.data<float>(), width, s.total(), s.value_dim, state.present_values + n * s.total() * s.value_dim);
    }
    a.q = w->q.data<float>();
    a.k = w->k.data<float>();
    a.v = w->v.data<float>();
    a.out = w->out.data<float>();
    a.ldq = a.ldk = a.ldv = a.ldo = width;
    kernels.attention_f32(a);
    for (std::int64_t i = 0; i < s.queries; ++i) {
      std::copy_n(w->out.data<float>() + i * width, s.value_dim, to + i * hidden);
    }
  }
}

}  // namespace sesame::engine
