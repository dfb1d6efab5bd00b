// Rows that ids choose: an embedding's table, in floats or in bytes.
#pragma once

#include <cstddef>
#include <optional>

#include "engine/graph.h"
#include "engine/tensor.h"
#include "kernels/table.h"

namespace sesame::engine {

// rows[r][k], or rows[r][k] * scale[r] where they are bytes: symmetric, one scale a row.
struct RowTable {
  Tensor rows;   // [size, width], float or int8
  Tensor scale;  // [size] float where the rows are int8, else undefined

  explicit operator bool() const { return static_cast<bool>(rows); }
  bool is_bytes() const { return static_cast<bool>(scale); }
  std::int64_t size() const { return rows.dim(0); }
  std::int64_t width() const { return rows.dim(1); }
  std::size_t bytes() const;

  // Row r < size() as floats: where it lies, or made in `room`, [width].
  const float* row(const kernels::Table& kernels, std::size_t r, float* room) const;
};

// Throws Error unless rows and scale are what a table is made of.
void check(const RowTable& table);

// The table and the ids of a node that looks rows of a constant up: Gather along the first axis of floats, or
//   sesame.GatherBytes (rows, scale, ids) -> [ids..., width] float
// Nothing for any other node, or where the constants are no table.
struct RowLookup {
  RowTable table;
  ValueId ids = kNoValue;
};
std::optional<RowLookup> row_lookup(const Graph& graph, const Node& node);

// q = round_half_even(x * (127 / max|x|)), scale = max|x| / 127, a row at a time (quantize_row_u8). `floats` is
// [size, width]. Throws Error where a number is not finite.
RowTable to_bytes(const Tensor& floats);

}  // namespace sesame::engine
