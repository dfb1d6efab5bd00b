#include "models/encoder_inputs.h"

#include <algorithm>
#include <string>
#include <vector>

#include "sesame/error.h"

namespace sesame::models {

using engine::DType;
using engine::Tensor;
using engine::to_string;

namespace {

std::int64_t id_at(const Tensor& ids, std::size_t index) {
  return ids.type() == DType::i64 ? ids.data<std::int64_t>()[index] : ids.data<std::int32_t>()[index];
}

// Axes of an input behind [batch, length]: a dense input has its hidden axis there.
std::size_t trailing_axes(const Tensor& table) { return table ? 0 : 1; }

void check_type(std::size_t i, const Tensor& table, const Tensor& input) {
  const bool ids = input.type() == DType::i64 || input.type() == DType::i32;
  if (table ? !ids : input.type() != DType::f32) {
    throw Error("input " + std::to_string(i) + ": expected " + (table ? "token ids" : "float rows") + ", found " +
                std::string(name(input.type())));
  }
}

void check_shape(std::size_t i, const Encoder& encoder, const Tensor& input, const InputSizes& sizes) {
  const Tensor& table = encoder.embeddings.tables[i];
  const auto hidden = static_cast<std::int64_t>(encoder.hidden);
  const auto batch = static_cast<std::int64_t>(sizes.batch);
  const auto length = static_cast<std::int64_t>(sizes.length);
  const engine::Shape shape = table ? engine::Shape{batch, length} : engine::Shape{batch, length, hidden};
  const bool wide = table || (input.rank() > 0 && input.shape().back() == hidden);
  if (!wide || engine::broadcast(input.shape(), shape) != shape) {
    throw Error("input " + std::to_string(i) + ": expected a shape that broadcasts to " + to_string(shape) +
                ", found " + to_string(input.shape()));
  }
}

// [length] or [batch, length], with ones before or between.
void check_mask(MaskKind kind, const Tensor& mask, std::int64_t batch, std::int64_t length) {
  const DType type = kind == MaskKind::additive ? DType::f32 : DType::boolean;
  if (mask.type() != type) {
    throw Error("mask: expected " + std::string(name(type)) + ", found " + std::string(name(mask.type())));
  }
  engine::Shape dims = mask.shape();
  std::erase(dims, 1);
  engine::Shape shared = {length};
  std::erase(shared, 1);
  engine::Shape each = {batch, length};
  std::erase(each, 1);
  const bool along_keys = mask.rank() > 0 && mask.shape().back() == length;
  if (!along_keys || (dims != shared && dims != each)) {
    throw Error("mask: expected " + std::to_string(batch) + " x " + std::to_string(length) + " values, found " +
                to_string(mask.shape()));
  }
}

// Where [sequence, position] lies in an input that may broadcast over either.
std::size_t index_in(const Tensor& input, std::size_t trailing, std::size_t sequence, std::size_t position) {
  const auto dim = [&](std::size_t from_last) {
    return from_last < input.rank() ? static_cast<std::size_t>(input.dim(input.rank() - 1 - from_last)) : 1;
  };
  const std::size_t length = dim(trailing);
  return (dim(trailing + 1) == 1 ? 0 : sequence) * length + (length == 1 ? 0 : position);
}

std::size_t table_row(const Tensor& table, std::int64_t id, std::size_t sequence, std::size_t position) {
  const std::int64_t rows = table.dim(0);
  if (id < -rows || id >= rows) {
    throw Error("id " + std::to_string(id) + " at [" + std::to_string(sequence) + ", " + std::to_string(position) +
                "] is outside the embedding table of " + std::to_string(rows) + " rows");
  }
  return static_cast<std::size_t>(id < 0 ? id + rows : id);
}

}  // namespace

InputSizes input_sizes(const Encoder& encoder, std::span<const Tensor> inputs) {
  InputSizes sizes{1, 1};
  const auto join = [](std::size_t& size, std::int64_t dim) {
    if (dim != 1) size = static_cast<std::size_t>(dim);
  };
  for (std::size_t i = 0; i < encoder.embeddings.tables.size(); ++i) {
    const Tensor& input = inputs[i];
    const std::size_t trailing = trailing_axes(encoder.embeddings.tables[i]);
    if (input.rank() < trailing + 1) continue;
    join(sizes.length, input.dim(input.rank() - 1 - trailing));
    if (input.rank() > trailing + 1) join(sizes.batch, input.dim(input.rank() - 2 - trailing));
  }
  return sizes;
}

InputSizes check_inputs(const Encoder& encoder, const engine::Inference& io) {
  const auto& tables = encoder.embeddings.tables;
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < tables.size(); ++i) {
    inputs.push_back(io.input(i));
    check_type(i, tables[i], inputs.back());
  }
  const InputSizes sizes = input_sizes(encoder, inputs);
  for (std::size_t i = 0; i < tables.size(); ++i) check_shape(i, encoder, inputs[i], sizes);
  if (encoder.first_row_only && sizes.length == 0) throw Error("expected at least one position, found none");
  if (encoder.mask.kind != MaskKind::none) {
    check_mask(encoder.mask.kind, io.input(tables.size()), static_cast<std::int64_t>(sizes.batch),
               static_cast<std::int64_t>(sizes.length));
  }
  return sizes;
}

void embed_row(const Encoder& encoder, const engine::Execution& e, std::size_t sequence, std::size_t position,
               float* out) {
  const Embeddings& embeddings = encoder.embeddings;
  for (std::size_t i = 0; i < embeddings.tables.size(); ++i) {
    const Tensor& input = e.inputs[i];
    const Tensor& table = embeddings.tables[i];
    const std::size_t index = index_in(input, trailing_axes(table), sequence, position);
    const float* row =
        table ? table.data<float>() + table_row(table, id_at(input, index), sequence, position) * encoder.hidden
              : input.data<float>() + index * encoder.hidden;
    if (i == 0) {
      std::copy_n(row, encoder.hidden, out);
    } else {
      e.kernels->add_row(row, encoder.hidden, out);
    }
  }
  if (embeddings.norm.gamma) normalize(*e.kernels, embeddings.norm, out, encoder.hidden, out);
}

}  // namespace sesame::models
