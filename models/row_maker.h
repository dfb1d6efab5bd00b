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
      : kernels_(kernels),
        linear_(linear),
        scratch_(scratch),
        stride_(engine::Linear::quantized_row_bytes(linear.in_features())) {}

  // Whether the Linear reads fp32 rows where they are: then convert does nothing.
  bool keeps_rows() const { return !linear_.reads_quantized_rows(); }
  // Row m is x.
  void convert(std::size_t m, const float* x) const {
    if (keeps_rows()) return;
    scratch_.scale[m] = kernels_.quantize_row_u8(x, linear_.in_features(), scratch_.u8 + m * stride_);
  }
  // All rows, those at x where they are kept.
  engine::Rows rows(const float* x, std::ptrdiff_t ld) const {
    if (keeps_rows()) return {x, ld};
    return {x, ld, scratch_.u8, static_cast<std::ptrdiff_t>(stride_), scratch_.scale};
  }

 private:
  const kernels::Table& kernels_;
  const engine::Linear& linear_;
  const BlockRows& scratch_;
  std::size_t stride_;
};

}  // namespace sesame::models
