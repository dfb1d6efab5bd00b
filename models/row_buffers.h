// Rows of floats or bytes, one buffer for each value of a program.
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/pack.h"

namespace sesame::models {

struct RowBuffer {
  std::size_t width = 0;
  bool bytes = false;      // its elements are bytes, not floats
  bool shared = false;     // holds all rows, from program to program; otherwise a block's, inside one
  std::size_t offset = 0;  // where it begins in its memory, in bytes for each row of it

  std::size_t element_bytes() const { return bytes ? 1 : sizeof(float); }
  // From row to row, in elements. Kernels read bytes by four.
  std::size_t stride() const { return bytes ? kernels::round_up(width, 64) : width; }
  std::size_t row_bytes() const { return stride() * element_bytes(); }
};

}  // namespace sesame::models
