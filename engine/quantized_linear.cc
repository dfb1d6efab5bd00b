#include "engine/quantized_linear.h"

#include <algorithm>

#include "engine/operators/quantization.h"
#include "kernels/pack.h"
#include "sesame/error.h"

namespace sesame::engine {

namespace {

std::int64_t as_dim(std::size_t n) { return static_cast<std::int64_t>(n); }

bool is_bytes(const Tensor& t) { return t && (t.type() == DType::u8 || t.type() == DType::i8); }

void check_vector(const char* what, const Tensor& t, DType type, std::size_t n) {
  if (!t || (t.type() == type && t.size() == as_dim(n))) return;
  throw Error(std::string("QuantizedLinear: expected ") + what + " of " + std::to_string(n) + " elements, found " +
              to_string(t.shape()));
}

Tensor spread(const Tensor& scale, std::size_t n) {
  Tensor all = Tensor::allocate(DType::f32, {as_dim(n)});
  for (std::size_t i = 0; i < n; ++i) all.data<float>()[i] = scale_at(scale, as_dim(i));
  return all;
}

}  // namespace

QuantizedLinearParts quantized_linear_parts(const Graph& graph, const Node& node) {
  QuantizedLinearParts p;
  p.weight = graph.constant(node.input(3));
  p.scale = graph.constant(node.input(4));
  p.zero_point = graph.constant(node.input(5));
  p.transposed = node.attributes.integer("transposed", 0) != 0;
  p.alpha = node.attributes.real("alpha", 1);
  const Tensor& bias = graph.constant(node.input(6));
  (bias && bias.type() == DType::i32 ? p.integer_bias : p.bias) = bias;
  p.y_scale = graph.constant(node.input(7));
  p.y_zero_point = graph.constant(node.input(8));
  if (!is_bytes(p.weight) || p.weight.rank() != 2 || p.weight.size() == 0) {
    throw Error("QuantizedLinear: expected a constant matrix of bytes as weight");
  }
  const auto n = as_dim(p.out_features());
  check_scale_shape("the weight's scale", p.scale, n);
  check_scales(p.scale);
  check_zero_point("the weight's zero point", p.zero_point, p.weight.type(), n);
  check_vector("a bias", p.bias, DType::f32, p.out_features());
  check_vector("an integer bias", p.integer_bias, DType::i32, p.out_features());
  if (p.y_scale) check_scales(p.y_scale);
  return p;
}

QuantizedLinear::QuantizedLinear(const QuantizedLinearParts& p)
    : memory_(Tensor::allocate(DType::u8, {as_dim(PackedBytes::bytes(p.in_features(), p.out_features()))})),
      weights_(PackedBytes::at(static_cast<std::byte*>(memory_.raw()), p.in_features(), p.out_features())),
      scale_(spread(p.scale, p.out_features())),
      alpha_(p.alpha),
      bias_(p.bias),
      integer_bias_(p.integer_bias) {
  const std::ptrdiff_t along_row = p.weight.dim(1);
  weights_.pack(p.weight.type(), p.weight.raw(), p.transposed ? 1 : along_row, p.transposed ? along_row : 1,
                p.zero_point);
  has_zero_points_ = weights_.has_zero_points();
  if (!p.y_scale) return;
  y_scale_ = scale_at(p.y_scale, 0);
  y_range_ = byte_range(p.y_zero_point.type(), p.y_zero_point);
}

std::size_t QuantizedLinear::scratch_bytes(std::size_t rows, std::size_t count) const {
  const std::size_t words = rows * count + 2 * kernels::round_up(count, kernels::kPanel);
  return words * sizeof(std::int32_t) + rows * stored_row_bytes(weights_.K);
}

void QuantizedLinear::run(const kernels::Table& kernels, const Input& input, std::size_t rows, std::size_t begin,
                          std::size_t count, std::byte* scratch, void* y, std::ptrdiff_t ldy) const {
  auto* sums = reinterpret_cast<std::int32_t*>(scratch);
  std::int32_t* init = sums + rows * count;
  auto* factor = reinterpret_cast<float*>(init + kernels::round_up(count, kernels::kPanel));
  auto* stored = reinterpret_cast<std::uint8_t*>(factor + kernels::round_up(count, kernels::kPanel));
  const float scale = alpha_ * input.scale;
  for (std::size_t n = 0; n < count; ++n) {
    const float product = scale * scale_.data<float>()[begin + n];
    factor[n] = y_scale_ ? product / *y_scale_ : product;
  }
  const ByteRows a = store_rows(input.type, input.x, input.ld, 1, rows, weights_.K, input.zero_point, stored);
  sum_columns(kernels, a, rows, weights_, begin, count, integer_bias_ ? integer_bias_.data<std::int32_t>() : nullptr,
              init, sums);
  const float* bias = bias_ ? bias_.data<float>() + begin : nullptr;
  for (std::size_t m = 0; m < rows; ++m) {
    const kernels::SumsRow row = row_of_sums(kernels, a, m, weights_, begin, count, has_zero_points_, factor, sums);
    const std::size_t at = m * static_cast<std::size_t>(ldy) + begin;
    if (y_scale_) {
      kernels.requantize_sums_row(row, count, y_range_, static_cast<std::uint8_t*>(y) + at);
    } else {
      kernels.scale_sums_row(row, bias, count, static_cast<float*>(y) + at);
    }
  }
}

}  // namespace sesame::engine
