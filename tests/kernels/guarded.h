// A 64-byte aligned buffer between two bands of known bytes, so that a kernel's write outside of it shows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>

namespace sesame::kernels {

template <class T>
class Guarded {
 public:
  explicit Guarded(std::size_t size, T fill = T{}) : size_(size), bytes_(size * sizeof(T) + 2 * kBand) {
    memory_ = static_cast<unsigned char*>(::operator new(bytes_, kAlignment));
    std::memset(memory_, kGuard, bytes_);
    std::fill_n(data(), size, fill);
  }
  ~Guarded() { ::operator delete(memory_, kAlignment); }
  Guarded(const Guarded&) = delete;  // a kernel's arguments point into it
  Guarded& operator=(const Guarded&) = delete;

  T* data() { return reinterpret_cast<T*>(memory_ + kBand); }
  const T* data() const { return reinterpret_cast<const T*>(memory_ + kBand); }
  T& operator[](std::size_t i) { return data()[i]; }
  std::size_t size() const { return size_; }
  T* begin() { return data(); }
  T* end() { return data() + size_; }

  // Nothing was written outside [data, data + size).
  bool intact() const {
    const auto guard = [](unsigned char byte) { return byte == kGuard; };
    const unsigned char* end = reinterpret_cast<const unsigned char*>(data() + size_);
    return std::all_of(memory_, memory_ + kBand, guard) &&
           std::all_of(end, static_cast<const unsigned char*>(memory_ + bytes_), guard);
  }
  bool same_bytes(const Guarded& other) const {
    return size_ == other.size_ && std::memcmp(data(), other.data(), size_ * sizeof(T)) == 0;
  }

 private:
  static constexpr std::size_t kBand = 256;
  static constexpr unsigned char kGuard = 0xA5;
  static constexpr std::align_val_t kAlignment{64};
  std::size_t size_, bytes_;
  unsigned char* memory_;
};

}  // namespace sesame::kernels
