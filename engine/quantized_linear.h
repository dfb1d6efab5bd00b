// A Linear whose numbers a graph brought quantized: bytes in, weights as bytes, floats or bytes out, in the graph's own
// arithmetic, on the int8 kernels.
//
//   acc[m][n] = sum_k (x[m][k] - z_x) (w[k][n] - z_w[n]) + integer_bias[n]         exact, engine/integer_sums.h
//   y[m][n]   = float(acc) * factor[n] + bias[n],  factor[n] = alpha * s_x * s_w[n]         out as floats
//   y[m][n]   = saturate(round(float(acc) * (factor[n] / s_y)) + z_y)                       out as bytes
//
// Every operation rounds, in this order: it is ONNX Runtime's, and a last bit decides which of two bytes a tie becomes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "engine/graph.h"
#include "engine/integer_sums.h"
#include "engine/tensor.h"

namespace sesame::engine {

// What a sesame.QuantizedLinear node says (normal_forms.h).
struct QuantizedLinearParts {
  Tensor weight;      // s8 or u8, [K, N]; [N, K] when transposed
  Tensor scale;       // float, [1] or [N]
  Tensor zero_point;  // of the weight's type, one or N; undefined: 0
  bool transposed = false;
  float alpha = 1;
  Tensor bias;          // float [N], or undefined
  Tensor integer_bias;  // int32 [N], or undefined
  // Out as bytes when given: one scale, and a zero point of the type that comes out.
  Tensor y_scale;
  Tensor y_zero_point;

  std::size_t in_features() const { return static_cast<std::size_t>(weight.dim(transposed ? 1 : 0)); }
  std::size_t out_features() const { return static_cast<std::size_t>(weight.dim(transposed ? 0 : 1)); }
  // f32, or the bytes that it requantizes to.
  DType output_type() const { return y_scale ? y_zero_point.type() : DType::f32; }
};

// Of a sesame.QuantizedLinear node. Throws Error when they are not what a QuantizedLinear needs.
QuantizedLinearParts quantized_linear_parts(const Graph& graph, const Node& node);

class QuantizedLinear {
 public:
  explicit QuantizedLinear(const QuantizedLinearParts& parts);

  std::size_t in_features() const { return weights_.K; }
  std::size_t out_features() const { return weights_.N; }
  std::size_t weight_bytes() const { return memory_.bytes() + scale_.bytes() + bias_.bytes() + integer_bias_.bytes(); }
  // f32, or the bytes that it requantizes to.
  DType output_type() const { return y_scale_ ? y_range_.is_signed ? DType::i8 : DType::u8 : DType::f32; }

  // The input as bytes of `type`, [rows][K], row stride ld.
  struct Input {
    DType type;
    const void* x;
    std::ptrdiff_t ld;
    float scale;
    std::int32_t zero_point;
  };
  // Columns [begin, begin + count) of `rows` rows, begin a multiple of 16. y points to column 0 of the first of these
  // rows, row stride ldy. `scratch` has scratch_bytes(rows, count).
  void run(const kernels::Table& kernels, const Input& input, std::size_t rows, std::size_t begin, std::size_t count,
           std::byte* scratch, void* y, std::ptrdiff_t ldy) const;
  std::size_t scratch_bytes(std::size_t rows, std::size_t count) const;

 private:
  Tensor memory_;  // of weights_
  PackedBytes weights_;
  bool has_zero_points_;
  Tensor scale_;  // [N]
  float alpha_;
  Tensor bias_;
  Tensor integer_bias_;
  std::optional<float> y_scale_;
  kernels::ByteRange y_range_{};
};

}  // namespace sesame::engine
