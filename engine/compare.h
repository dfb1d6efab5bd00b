// Whether a tensor is the expected one, as `sesame verify` and the tests ask it.
#pragma once

#include <cstdint>
#include <string>

#include "engine/tensor.h"

namespace sesame::engine {

// A float element passes when |got - want| <= absolute + relative * max |want|, the maximum over the finite elements of
// the whole tensor. Integers and bools must be equal.
struct Tolerance {
  double absolute = 1e-5;
  double relative = 1e-4;
};

struct Comparison {
  bool passed = false;
  // The largest |got - want|; NaN where an element is NaN or infinite and should not be, or should be and is not.
  double worst_error = 0;
  double allowed = 0;
  std::int64_t place = -1;  // flat index of the worst element, -1 where there is none
  std::string problem;      // one line that explains a failure: "element [0, 3] is 1.5, expected 1.25 (allowed ..)"
};

// Types and shapes must be the same. An expected NaN or infinity is met only by itself. Both tensors have data.
Comparison compare(const Tensor& got, const Tensor& want, Tolerance tolerance = {});

}  // namespace sesame::engine
