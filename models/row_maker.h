// Rows in the form that a Linear reads, converted one at a time: each as soon as it is made, while it is in L1.
#pragma once

#include <cstddef>

#include "engine/linear.h"
#include "kernels/table.h"
#include "models/encoder_memory.h"

namespace sesame::models {

class RowMaker {
 public:
  // Keeps the converted rows in `scratch`, for one Linear at a time.
  RowMaker(const kernels::Table& kernels, const engine::Linear& linear, const BlockRows& scratch)
      : kernels_(kernels), linear_(linear), scratch_(scratch), row_bytes_(linear.row_bytes()) {}

  // Whether the Linear reads fp32 rows where they are: then convert does nothing.
  bool keeps_rows() const { return row_bytes_ == 0; }
  // Row m is x.
  void convert(std::size_t m, const float* x) const {
    if (!keeps_rows()) linear_.make_rows(kernels_, x, 0, 1, scratch_.made + m * row_bytes_, scratch_.scale + m);
  }
  // Row m is act(x); `activated` is scratch of as many floats. Not where rows are kept.
  void convert(std::size_t m, kernels::Activation activation, const float* x, float* activated) const {
    linear_.make_activated_row(kernels_, activation, x, activated, scratch_.made + m * row_bytes_, scratch_.scale + m);
  }
  // All rows, those at x where they are kept.
  engine::Rows rows(const float* x, std::ptrdiff_t ld) const {
    return linear_.make_rows(kernels_, x, ld, 0, scratch_.made, scratch_.scale);
  }

 private:
  const kernels::Table& kernels_;
  const engine::Linear& linear_;
  const BlockRows& scratch_;
  std::size_t row_bytes_;
};

}  // namespace sesame::models
