#include "engine/operators/loops.h"

#include <cstring>

namespace sesame::engine {

namespace {

// memcpy of a constant size: a load and a store.
template <std::size_t Bytes>
void copy_elements(const std::byte* from, std::int64_t from_step, std::size_t n, std::byte* to, std::int64_t to_step) {
  for (std::size_t i = 0; i < n; ++i) {
    const auto k = static_cast<std::int64_t>(i);
    std::memcpy(to + k * to_step, from + k * from_step, Bytes);
  }
}

void copy_elements(const std::byte* from, std::int64_t from_stride, std::size_t n, std::size_t bytes, std::byte* to,
                   std::int64_t to_stride) {
  const auto size = static_cast<std::int64_t>(bytes);
  const std::int64_t from_step = from_stride * size;
  const std::int64_t to_step = to_stride * size;
  switch (bytes) {
    case 1:
      return copy_elements<1>(from, from_step, n, to, to_step);
    case 2:
      return copy_elements<2>(from, from_step, n, to, to_step);
    case 4:
      return copy_elements<4>(from, from_step, n, to, to_step);
    default:
      assert(bytes == 8);
      return copy_elements<8>(from, from_step, n, to, to_step);
  }
}

}  // namespace

Shape strides_of(const Shape& shape) {
  Shape strides(shape.size(), 0);
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return strides;  // the other dimensions may be anything
  std::int64_t stride = 1;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

Shape broadcast_strides(const Shape& shape, const Shape& to) {
  assert(shape.size() <= to.size());
  const Shape own = strides_of(shape);
  Shape strides(to.size(), 0);
  const std::size_t shift = to.size() - shape.size();
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    strides[axis + shift] = shape[axis] == 1 ? 0 : own[axis];
  }
  return strides;
}

bool broadcasts_to(const Shape& shape, const Shape& to) {
  if (shape.size() > to.size()) return false;
  const std::size_t shift = to.size() - shape.size();
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] != 1 && shape[axis] != to[axis + shift]) return false;
  }
  return true;
}

void copy_row(const std::byte* from, std::int64_t stride, std::size_t n, std::size_t bytes, std::byte* to) {
  if (stride == 1) {
    std::memcpy(to, from, n * bytes);
  } else {
    copy_elements(from, stride, n, bytes, to, 1);
  }
}

void spread_row(const std::byte* from, std::int64_t stride, std::size_t n, std::size_t bytes, std::byte* to) {
  if (stride == 1) {
    std::memcpy(to, from, n * bytes);
  } else {
    copy_elements(from, 1, n, bytes, to, stride);
  }
}

void copy_strided(const Tensor& from, std::int64_t offset, const Shape& shape, const Shape& strides, const Tensor& to) {
  const LoopNest<1> nest(shape, {strides});
  const std::size_t bytes = byte_size(from.type());
  const auto size = static_cast<std::int64_t>(bytes);
  const auto* source = static_cast<const std::byte*>(from.raw());
  auto* target = static_cast<std::byte*>(to.raw());
  nest.for_each_row([&](const auto& at) {
    copy_row(source + (offset + at[0]) * size, nest.row_stride(0), nest.row(), bytes, target);
    target += nest.row() * bytes;
  });
}

void copy_all(const Tensor& from, const Tensor& to) {
  assert(from.bytes() == to.bytes());
  if (from.bytes() != 0) std::memcpy(to.raw(), from.raw(), from.bytes());
}

}  // namespace sesame::engine
