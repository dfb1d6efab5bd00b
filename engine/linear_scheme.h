// How a Linear's arithmetic is done: what its weights and its rows are rounded to. The quantizer chooses it and writes
// it on the sesame.Linear node; packing reads it.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/graph.h"
#include "engine/tensor.h"
#include "kernels/pack.h"

namespace sesame::engine {

enum class LinearPrecision { fp32, int8 };

std::string_view name(LinearPrecision precision);

// Which grid the rows of an int8 Linear are quantized to.
enum class RowGrid {
  per_row,     // each row its own symmetric scale
  fixed,       // one scale and zero point for all, known before
  per_tensor,  // one scale and zero point for all, from the minimum and maximum of all, as DynamicQuantizeLinear has it
};

struct LinearScheme {
  LinearPrecision precision = LinearPrecision::fp32;
  kernels::WeightGrid weights;
  RowGrid rows = RowGrid::per_row;
  float row_scale = 1;  // of fixed rows
  std::uint8_t row_zero_point = 128;
  Tensor multiplier;  // [in_features], undefined for none: rows are multiplied by it before they are quantized

  LinearScheme() = default;
  LinearScheme(LinearPrecision p) : precision(p) {}  // NOLINT: a precision says all where nothing else is chosen
};

// Attributes of a sesame.Linear node, each left out where it has its default:
//   precision "fp32", "int8"      rows "row", "fixed", "tensor"; row_scale, row_zero_point where fixed
//   weight_largest 127            one_weight_scale 0           multiplier (tensor)
// Throws Error for a value that makes no sense: the node may come from a file.
LinearScheme linear_scheme(const Node& node);
void set_linear_scheme(Node& node, const LinearScheme& scheme);

// Whether two Linears of the same input can read the same rows and be packed side by side.
bool same_rows(const LinearScheme& a, const LinearScheme& b);

}  // namespace sesame::engine
