// Kernels run under the default floating-point environment, whatever the host has set: round to nearest even, no
// flush-to-zero, no denormals-are-zero, exceptions masked. OpenMP workers keep an MXCSR of their own, so without this
// the bits of an answer could depend on the number of threads.
#pragma once

#include <xmmintrin.h>

namespace sesame::kernels {

// Sets the default MXCSR and gives the caller's back on destruction. One per thread and pass.
class DefaultFpEnvironment {
 public:
  DefaultFpEnvironment() : saved_(_mm_getcsr()) { _mm_setcsr(0x1F80); }
  ~DefaultFpEnvironment() { _mm_setcsr(saved_); }
  DefaultFpEnvironment(const DefaultFpEnvironment&) = delete;
  DefaultFpEnvironment& operator=(const DefaultFpEnvironment&) = delete;

 private:
  unsigned saved_;
};

}  // namespace sesame::kernels
