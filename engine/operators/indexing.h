// What operators share that read or write by index.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/tensor.h"
#include "sesame/error.h"

namespace sesame::engine {

inline std::byte* bytes_of(const Tensor& t) { return static_cast<std::byte*>(t.raw()); }

// Reads int32 or int64 indices.
class Indices {
 public:
  explicit Indices(const Tensor& t) : wide_(t.type() == DType::i64 ? t.data<std::int64_t>() : nullptr) {
    if (wide_ == nullptr) narrow_ = t.data<std::int32_t>();
  }
  std::int64_t operator[](std::int64_t i) const { return wide_ != nullptr ? wide_[i] : narrow_[i]; }

 private:
  const std::int64_t* wide_;
  const std::int32_t* narrow_ = nullptr;
};

// Of the dimensions [begin, end); 0 where one is. Throws Error when it overflows.
inline std::int64_t product(const Shape& shape, std::size_t begin, std::size_t end) {
  std::int64_t count = 1;
  for (std::size_t i = begin; i < end; ++i) {
    if (shape[i] == 0) return 0;
    if (__builtin_mul_overflow(count, shape[i], &count)) throw Error("shape " + to_string(shape) + " overflows");
  }
  return count;
}

}  // namespace sesame::engine
