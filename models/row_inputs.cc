#include "models/row_inputs.h"

#include <string>

#include "sesame/error.h"

namespace sesame::models {

using engine::DType;
using engine::Tensor;
using engine::to_string;

namespace {

std::int64_t id_at(const Tensor& ids, std::size_t index) {
  return ids.type() == DType::i64 ? ids.data<std::int64_t>()[index] : ids.data<std::int32_t>()[index];
}

// Axes behind [batch, length]: dense rows have their own there.
std::size_t trailing_axes(bool is_table) { return is_table ? 0 : 1; }

// A dimension counted from the last, 1 where the tensor has none.
std::int64_t dim_from_last(const Tensor& t, std::size_t from_last) {
  return from_last < t.rank() ? t.dim(t.rank() - 1 - from_last) : 1;
}

}  // namespace

const std::byte* input_row(const kernels::Table& kernels, const engine::RowTable& table, std::size_t width,
                           const Tensor& input, std::size_t sequence, std::size_t position, float* room) {
  const std::size_t trailing = trailing_axes(static_cast<bool>(table));
  const auto length = static_cast<std::size_t>(dim_from_last(input, trailing));
  const std::size_t index =
      (dim_from_last(input, trailing + 1) == 1 ? 0 : sequence) * length + (length == 1 ? 0 : position);
  const auto row_of = [&](const Tensor& rows, std::size_t row) {
    return static_cast<const std::byte*>(rows.raw()) + row * width * engine::byte_size(rows.type());
  };
  if (!table) return row_of(input, index);
  const std::int64_t id = id_at(input, index);
  const std::int64_t rows = table.size();
  if (id < -rows || id >= rows) {
    throw Error("id " + std::to_string(id) + " at [" + std::to_string(sequence) + ", " + std::to_string(position) +
                "] is outside the embedding table of " + std::to_string(rows) + " rows");
  }
  const auto row = static_cast<std::size_t>(id < 0 ? id + rows : id);
  return table.is_bytes() ? reinterpret_cast<const std::byte*>(table.row(kernels, row, room)) : row_of(table.rows, row);
}

void join_sizes(bool is_table, const Tensor& input, InputSizes& sizes) {
  const std::size_t trailing = trailing_axes(is_table);
  const auto join = [](std::size_t& size, std::int64_t dim) {
    if (dim != 1) size = static_cast<std::size_t>(dim);
  };
  join(sizes.length, dim_from_last(input, trailing));
  join(sizes.batch, dim_from_last(input, trailing + 1));
}

void check_row_input(std::optional<DType> type, std::size_t width, const Tensor& input, const InputSizes& sizes) {
  const bool is_table = !type;
  const bool ids = input.type() == DType::i64 || input.type() == DType::i32;
  if (is_table ? !ids : input.type() != *type) {
    throw Error(std::string("expected ") + (is_table ? "token ids" : std::string(name(*type)) + " rows") + ", found " +
                std::string(name(input.type())));
  }
  engine::Shape shape = {static_cast<std::int64_t>(sizes.batch), static_cast<std::int64_t>(sizes.length)};
  if (!is_table) shape.push_back(static_cast<std::int64_t>(width));
  const bool wide = is_table || (input.rank() > 0 && input.shape().back() == static_cast<std::int64_t>(width));
  if (!wide || engine::broadcast(input.shape(), shape) != shape) {
    throw Error("expected a shape that broadcasts to " + to_string(shape) + ", found " + to_string(input.shape()));
  }
}

void check_key_mask(MaskKind kind, const Tensor& mask, const InputSizes& sizes) {
  const bool by_query = kind == MaskKind::each_query;
  const DType type = kind == MaskKind::additive || by_query ? DType::f32 : DType::boolean;
  if (mask.type() != type) {
    throw Error("mask: expected " + std::string(name(type)) + ", found " + std::string(name(mask.type())));
  }
  const auto squeezed = [](engine::Shape shape) {
    std::erase(shape, 1);
    return shape;
  };
  const auto batch = static_cast<std::int64_t>(sizes.batch), length = static_cast<std::int64_t>(sizes.length);
  const engine::Shape dims = squeezed(mask.shape());
  engine::Shape own = {length}, all = {batch, length};
  if (by_query) own.push_back(length), all.push_back(length);
  const bool along_keys = mask.rank() > 0 && mask.shape().back() == length;
  if (!along_keys || (dims != squeezed(own) && dims != squeezed(all))) {
    throw Error("mask: expected " + to_string(all) + " values, found " + to_string(mask.shape()));
  }
}

}  // namespace sesame::models
