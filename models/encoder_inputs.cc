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

std::size_t factor_input(const Encoder& encoder) {
  return encoder.embeddings.tables.size() + (encoder.mask.kind == MaskKind::none ? 0 : 1);
}

void check_factors(const Tensor& factors, const InputSizes& sizes) {
  const engine::Shape shape = {static_cast<std::int64_t>(sizes.batch), static_cast<std::int64_t>(sizes.length), 1};
  if (factors.type() != DType::f32 || factors.rank() != 3 || engine::broadcast(factors.shape(), shape) != shape) {
    throw Error("factors of the rows: expected floats that broadcast to " + to_string(shape) + ", found " +
                std::string(name(factors.type())) + to_string(factors.shape()));
  }
}

// No longer sequence than the tables of relative positions are for.
void check_reach(const Encoder& encoder, std::size_t length) {
  for (const EncoderLayer& layer : encoder.layers) {
    if (!layer.relative || layer.relative.places->levels_off) continue;
    const auto most = static_cast<std::size_t>(layer.relative.places->reach()) + 1;
    if (length > most) {
      throw Error("expected at most " + std::to_string(most) + " positions, which the relative ones are for, found " +
                  std::to_string(length));
    }
  }
}

}  // namespace

InputSizes input_sizes(const Encoder& encoder, std::span<const Tensor> inputs) {
  InputSizes sizes;
  for (std::size_t i = 0; i < encoder.embeddings.tables.size(); ++i) {
    join_sizes(static_cast<bool>(encoder.embeddings.tables[i]), inputs[i], sizes);
  }
  return sizes;
}

InputSizes check_inputs(const Encoder& encoder, const engine::Inference& io) {
  const auto& tables = encoder.embeddings.tables;
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < tables.size(); ++i) inputs.push_back(io.input(i));
  const InputSizes sizes = input_sizes(encoder, inputs);
  for (std::size_t i = 0; i < tables.size(); ++i) {
    try {
      check_row_input(tables[i] ? std::nullopt : std::optional(engine::DType::f32), encoder.hidden, inputs[i], sizes);
    } catch (const Error& e) {
      throw Error("input " + std::to_string(i) + ": " + e.what());
    }
  }
  if (encoder.first_row_only && sizes.length == 0) throw Error("expected at least one position, found none");
  if (encoder.mask.kind != MaskKind::none) check_key_mask(encoder.mask.kind, io.input(tables.size()), sizes);
  if (encoder.embeddings.scaled) check_factors(io.input(factor_input(encoder)), sizes);
  check_reach(encoder, sizes.length);
  return sizes;
}

void embed_row(const Encoder& encoder, const engine::Execution& e, std::size_t sequence, std::size_t position,
               float* room, float* out) {
  const Embeddings& embeddings = encoder.embeddings;
  for (std::size_t i = 0; i < embeddings.tables.size(); ++i) {
    float* const made = i == 0 ? out : room;
    const auto* row = reinterpret_cast<const float*>(
        input_row(*e.kernels, embeddings.tables[i], encoder.hidden, e.inputs[i], sequence, position, made));
    if (i == 0) {
      if (row != out) std::copy_n(row, encoder.hidden, out);
    } else {
      e.kernels->add_row(row, encoder.hidden, out);
    }
  }
  if (embeddings.norm.gamma) normalize(*e.kernels, embeddings.norm, out, encoder.hidden, out);
  if (!embeddings.scaled) return;
  const Tensor& factors = e.inputs[factor_input(encoder)];
  const float factor =
      *reinterpret_cast<const float*>(input_row(*e.kernels, {}, 1, factors, sequence, position, nullptr));
  if (factor == 1) return;
  for (std::size_t n = 0; n < encoder.hidden; ++n) out[n] *= factor;
}

}  // namespace sesame::models
