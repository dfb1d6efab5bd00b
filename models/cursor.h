// Hands out pieces of memory one after the other, each on a multiple of 64 bytes.
#pragma once

#include <cstddef>
#include <utility>

#include "kernels/pack.h"

namespace sesame::models {

// Bytes of a piece of `count` elements.
template <class T>
std::size_t piece(std::size_t count) {
  return kernels::round_up(count * sizeof(T), 64);
}

class Cursor {
 public:
  explicit Cursor(std::byte* begin) : at_(begin) {}
  template <class T>
  T* take(std::size_t count) {
    return reinterpret_cast<T*>(std::exchange(at_, at_ + piece<T>(count)));
  }

 private:
  std::byte* at_;
};

}  // namespace sesame::models
