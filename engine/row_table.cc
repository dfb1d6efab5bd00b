#include "engine/row_table.h"

#include <cmath>
#include <string>
#include <vector>

#include "kernels/pack.h"
#include "sesame/error.h"

namespace sesame::engine {

namespace {

constexpr kernels::ByteRange kSymmetric{true, 0};

bool is_matrix(const Tensor& t, DType type) { return t && t.type() == type && t.rank() == 2 && t.has_data(); }

}  // namespace

std::size_t RowTable::bytes() const { return (rows ? rows.bytes() : 0) + (scale ? scale.bytes() : 0); }

const float* RowTable::row(const kernels::Table& kernels, std::size_t r, float* room) const {
  const auto n = static_cast<std::size_t>(width());
  if (!is_bytes()) return rows.data<float>() + r * n;
  kernels.dequantize_row(static_cast<const std::uint8_t*>(rows.raw()) + r * n, n, scale.data<float>()[r], kSymmetric,
                         room);
  return room;
}

void check(const RowTable& table) {
  if (!is_matrix(table.rows, DType::i8)) throw Error("rows: expected a constant matrix of int8");
  const Tensor& scale = table.scale;
  if (!scale || scale.type() != DType::f32 || scale.shape() != Shape{table.size()} || !scale.has_data()) {
    throw Error("scale: expected a constant float for each of " + std::to_string(table.size()) + " rows");
  }
}

std::optional<RowLookup> row_lookup(const Graph& graph, const Node& node) {
  if (node.is("Gather") && node.attributes.integer("axis", 0) == 0) {
    const Tensor& rows = graph.constant(node.input(0));
    if (is_matrix(rows, DType::f32)) return RowLookup{{rows, {}}, node.input(1)};
  }
  if (!node.is("GatherBytes", kSesame)) return std::nullopt;
  RowLookup lookup{{graph.constant(node.input(0)), graph.constant(node.input(1))}, node.input(2)};
  try {
    check(lookup.table);
  } catch (const Error&) {
    return std::nullopt;
  }
  return lookup;
}

RowTable to_bytes(const Tensor& floats) {
  RowTable table{Tensor::allocate(DType::i8, floats.shape()), Tensor::allocate(DType::f32, {floats.dim(0)})};
  const auto width = static_cast<std::size_t>(floats.dim(1));
  std::vector<std::uint8_t> bytes(kernels::round_up(width, 4));
  const kernels::Table& kernels = kernels::table(kernels::default_isa());
  for (std::int64_t r = 0; r < floats.dim(0); ++r) {
    const std::size_t at = static_cast<std::size_t>(r) * width;
    const float scale = kernels.quantize_row_u8(floats.data<float>() + at, width, bytes.data());
    if (!std::isfinite(scale)) throw Error("row " + std::to_string(r) + " has a number that is not finite");
    table.scale.data<float>()[r] = scale;
    for (std::size_t k = 0; k < width; ++k) {
      table.rows.data<std::int8_t>()[at + k] = static_cast<std::int8_t>(bytes[k] ^ 0x80);
    }
  }
  return table;
}

}  // namespace sesame::engine
