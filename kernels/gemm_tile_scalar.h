// What level scalar does with a finished row of sums.
#pragma once

#include <algorithm>
#include <cstddef>

#include "kernels/gemm_strategy.h"
#include "kernels/table.h"

namespace sesame::kernels {
namespace {

// c[i] = act(y[i]) + residual[m][n + i], i < columns.
void store_row(const Epilogue& e, float* y, std::size_t m, std::size_t n, std::size_t columns, float* c) {
  if (e.activation != Activation::none) table(Isa::scalar).activation_row(e.activation, y, columns, y);
  if (e.residual) {
    const float* residual = row_of(e.residual, e.ld_residual, m) + n;
    for (std::size_t i = 0; i < columns; ++i) c[i] = y[i] + residual[i];
  } else {
    std::copy_n(y, columns, c);
  }
}

}  // namespace
}  // namespace sesame::kernels
