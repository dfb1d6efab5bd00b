// VDPBF16PS flushes denormals, and so does an ordinary fused multiply-add under the right MXCSR: the same bits
// (measured, also where a result rounds up to 2^-126). So levels without the instruction run the sums of gemm_bf16 in
// this state and leave it before the epilogue.
#pragma once

#include <xmmintrin.h>

namespace sesame::kernels {
namespace {

class FlushDenormals {
 public:
  [[gnu::always_inline]] FlushDenormals() : saved_(_mm_getcsr()) {
    _mm_setcsr(kFlushToZero | kDenormalsAreZero | kAllMasked);
  }
  [[gnu::always_inline]] ~FlushDenormals() { _mm_setcsr(saved_); }
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  static constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x0040, kAllMasked = 0x1F80;
  unsigned saved_;
};

// The compiler takes arithmetic for independent of MXCSR. What passes through here at both ends of a FlushDenormals
// cannot leave it: these asm statements keep their place among the writes of MXCSR, and hold no instruction.
template <class Vector, int R, int P>
[[gnu::always_inline]] inline void keep_in_place(Vector (&acc)[R][P]) {
#pragma GCC unroll 32
  for (int i = 0; i < R * P; ++i) {
    Vector sum = acc[i / P][i % P];  // an array element as operand would keep the array in memory
    asm volatile("" : "+v"(sum));
    acc[i / P][i % P] = sum;
  }
}

}  // namespace
}  // namespace sesame::kernels
