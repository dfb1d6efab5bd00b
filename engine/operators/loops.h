// Loops over tensors that are read through strides: broadcasting, transposing, slicing.
#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>

#include "engine/tensor.h"
#include "sesame/error.h"

namespace sesame::engine {

// Strides in elements of a row-major tensor; zeros when it is empty.
Shape strides_of(const Shape& shape);

// The strides with which a tensor of `shape` is read when it is broadcast to `to`: 0 along repeated axes.
Shape broadcast_strides(const Shape& shape, const Shape& to);

// Whether a tensor of `shape` can be broadcast to `to` as it is.
bool broadcasts_to(const Shape& shape, const Shape& to);

// Visits the elements of `shape` in row-major order while N operands advance by strides of their own. Axes over which
// all operands advance evenly are merged; what is then the innermost is handed out as one row, so that same shapes make
// a single row and a bias makes a row of its length.
template <std::size_t N>
class LoopNest {
 public:
  using Offsets = std::array<std::int64_t, N>;

  LoopNest(const Shape& shape, const std::array<Shape, N>& strides) {
    empty_ = std::find(shape.begin(), shape.end(), 0) != shape.end();
    for (std::size_t axis = 0; axis < shape.size() && !empty_; ++axis) {
      if (shape[axis] == 1) continue;
      Offsets steps;
      for (std::size_t i = 0; i < N; ++i) steps[i] = strides[i][axis];
      add(shape[axis], steps);
    }
    if (rank_ == 0) {
      Offsets ones;
      ones.fill(1);
      add(1, ones);
    }
  }

  // Operands broadcast to `shape`. Allocates nothing.
  LoopNest(const Shape& shape, const std::array<const Shape*, N>& operands) {
    empty_ = std::find(shape.begin(), shape.end(), 0) != shape.end();
    std::array<std::int64_t, N> sizes;  // of an operand's axes from this one on
    for (std::size_t i = 0; i < N; ++i) {
      sizes[i] = 1;
      for (std::int64_t d : *operands[i]) sizes[i] *= empty_ ? 1 : d;
    }
    for (std::size_t axis = 0; axis < shape.size() && !empty_; ++axis) {
      Offsets steps{};
      for (std::size_t i = 0; i < N; ++i) {
        const Shape& own = *operands[i];
        if (axis + own.size() < shape.size()) continue;  // an axis that the operand lacks
        const std::int64_t dim = own[axis + own.size() - shape.size()];
        sizes[i] /= dim;
        steps[i] = dim == 1 ? 0 : sizes[i];
      }
      if (shape[axis] != 1) add(shape[axis], steps);
    }
    if (rank_ == 0) {
      Offsets ones;
      ones.fill(1);
      add(1, ones);
    }
  }

  std::size_t row() const { return static_cast<std::size_t>(dims_[rank_ - 1]); }
  std::int64_t row_stride(std::size_t operand) const { return strides_[rank_ - 1][operand]; }

  // Calls fn(offsets) with the operands' offsets of each row, in order.
  template <class Fn>
  void for_each_row(Fn&& fn) const {
    if (empty_) return;
    Offsets at{};
    std::array<std::int64_t, kMaxRank> index{};
    for (;;) {
      fn(static_cast<const Offsets&>(at));
      std::size_t axis = rank_ - 1;
      for (; axis-- > 0;) {
        for (std::size_t i = 0; i < N; ++i) at[i] += strides_[axis][i];
        if (++index[axis] < dims_[axis]) break;
        for (std::size_t i = 0; i < N; ++i) at[i] -= strides_[axis][i] * dims_[axis];
        index[axis] = 0;
      }
      if (axis == static_cast<std::size_t>(-1)) return;
    }
  }

 private:
  static constexpr std::size_t kMaxRank = 24;

  void add(std::int64_t dim, const Offsets& steps) {
    bool merges = rank_ > 0;
    for (std::size_t i = 0; merges && i < N; ++i) merges = strides_[rank_ - 1][i] == steps[i] * dim;
    if (merges) {
      dims_[rank_ - 1] *= dim;
    } else {
      if (rank_ == kMaxRank) throw Error("tensors of more than 24 dimensions are not supported");
      dims_[rank_++] = dim;
    }
    strides_[rank_ - 1] = steps;
  }

  bool empty_;
  std::size_t rank_ = 0;
  std::array<std::int64_t, kMaxRank> dims_;
  std::array<Offsets, kMaxRank> strides_;
};

// to[i] = from[i * stride] for n elements of `bytes` bytes each.
void copy_row(const std::byte* from, std::int64_t stride, std::size_t n, std::size_t bytes, std::byte* to);
// to[i * stride] = from[i].
void spread_row(const std::byte* from, std::int64_t stride, std::size_t n, std::size_t bytes, std::byte* to);

// Writes the elements of `from`, visited as `shape` with `strides` (in elements, from `offset` on), to `to` in order.
void copy_strided(const Tensor& from, std::int64_t offset, const Shape& shape, const Shape& strides, const Tensor& to);

// Copies all bytes of `from` to `to`, which has the same size.
void copy_all(const Tensor& from, const Tensor& to);

}  // namespace sesame::engine
