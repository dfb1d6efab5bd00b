// A host that flushes denormals and rounds upwards, until the object dies.
#pragma once

#include <xmmintrin.h>

namespace sesame::kernels {

class HostileHost {
 public:
  HostileHost() : saved_(_mm_getcsr()) { _mm_setcsr(kFlushToZero | kDenormalsAreZero | kRoundUp | kAllMasked); }
  ~HostileHost() { _mm_setcsr(saved_); }
  HostileHost(const HostileHost&) = delete;
  HostileHost& operator=(const HostileHost&) = delete;

 private:
  static constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x0040, kRoundUp = 0x4000, kAllMasked = 0x1F80;
  unsigned saved_;
};

}  // namespace sesame::kernels
