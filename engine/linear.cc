#include "engine/linear.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

#include "sesame/error.h"

namespace sesame::engine {

namespace {

struct Strides {
  std::ptrdiff_t k;
  std::ptrdiff_t n;
};

Strides strides_of(const LinearWeights& w) {
  return w.transposed ? Strides{1, w.weight.dim(1)} : Strides{w.weight.dim(1), 1};
}

void require_finite(const Tensor& t) {
  const auto values = t.span<float>();
  const auto bad = std::find_if(values.begin(), values.end(), [](float x) { return !std::isfinite(x); });
  if (bad != values.end()) {
    throw Error("cannot quantize: weight element " + std::to_string(bad - values.begin()) + " is " +
                std::to_string(*bad) + ", expected finite numbers");
  }
}

std::int64_t as_dim(std::size_t n) { return static_cast<std::int64_t>(n); }

}  // namespace

LinearWeights linear_weights(const Graph& graph, const Node& node) {
  LinearWeights w{graph.constant(node.input(1)), graph.constant(node.input(2)),
                  node.attributes.integer("transposed", 0) != 0};
  if (!w.weight || w.weight.type() != DType::f32 || w.weight.rank() != 2 || w.weight.size() == 0) {
    throw Error("Linear: expected a constant float matrix as weight");
  }
  if (w.bias && (w.bias.type() != DType::f32 || w.bias.size() != as_dim(w.out_features()))) {
    throw Error("Linear: expected a bias of " + std::to_string(w.out_features()) + " floats, found " +
                to_string(w.bias.shape()));
  }
  return w;
}

Linear::Linear(const LinearWeights& weights, LinearPrecision precision) : Linear(std::span(&weights, 1), precision) {}

Linear::Linear(std::span<const LinearWeights> parts, LinearPrecision precision) : precision_(precision) {
  assert(!parts.empty());
  in_ = parts[0].in_features();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].in_features() != in_) throw Error("Linear: parts of different input sizes");
    part_offsets_.push_back(kernels::round_up(out_, kernels::kPanel));
    out_ = part_offsets_.back() + parts[i].out_features();
  }
  const std::size_t padded = kernels::round_up(out_, kernels::kPanel);
  bias_ = Tensor::allocate(DType::f32, {as_dim(padded)});
  std::fill_n(bias_.data<float>(), padded, 0.0f);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].bias) {
      std::copy_n(parts[i].bias.data<float>(), parts[i].out_features(), bias_.data<float>() + part_offsets_[i]);
    }
  }
  if (precision_ == LinearPrecision::int8 && in_ > kernels::kMaxK) {
    throw Error("cannot quantize: expected at most " + std::to_string(kernels::kMaxK) + " input features, found " +
                std::to_string(in_));
  }
  precision_ == LinearPrecision::int8 ? pack_int8(parts) : pack_fp32(parts);
}

void Linear::pack_fp32(std::span<const LinearWeights> parts) {
  packed_ = Tensor::allocate_weights(DType::f32, {as_dim(kernels::packed_f32_size(in_, out_))});
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Strides s = strides_of(parts[i]);
    kernels::pack_f32(parts[i].weight.data<float>(), s.k, s.n, in_, parts[i].out_features(),
                      packed_.data<float>() + part_offsets_[i] * in_);
  }
}

void Linear::pack_int8(std::span<const LinearWeights> parts) {
  const std::size_t padded = kernels::round_up(out_, kernels::kPanel);
  const std::size_t depth = kernels::round_up(in_, 4);
  packed_ = Tensor::allocate_weights(DType::i8, {as_dim(kernels::packed_s8_size(in_, out_))});
  scale_ = Tensor::allocate(DType::f32, {as_dim(padded)});
  acc_init_ = Tensor::allocate(DType::i32, {as_dim(padded)});
  for (std::size_t i = 0; i < parts.size(); ++i) {
    require_finite(parts[i].weight);
    const Strides s = strides_of(parts[i]);
    kernels::quantize_pack_s8(parts[i].weight.data<float>(), s.k, s.n, in_, parts[i].out_features(),
                              packed_.data<std::int8_t>() + part_offsets_[i] * depth,
                              scale_.data<float>() + part_offsets_[i]);
  }
  kernels::column_sums_s8(packed_.data<std::int8_t>(), in_, out_, acc_init_.data<std::int32_t>());
  for (std::size_t n = 0; n < padded; ++n) acc_init_.data<std::int32_t>()[n] *= -128;
}

void Linear::run(const kernels::Table& kernels, const Rows& rows, std::size_t count, std::size_t begin, std::size_t end,
                 kernels::Epilogue epilogue, float* c, std::ptrdiff_t ldc) const {
  assert(begin % kernels::kPanel == 0 && begin < end && end <= out_);
  epilogue.bias = bias_.data<float>() + begin;
  if (precision_ == LinearPrecision::fp32) {
    kernels.gemm_f32(
        {rows.f32, rows.ld, packed_.data<float>() + begin * in_, count, end - begin, in_, epilogue, c, ldc});
    return;
  }
  kernels.gemm_u8s8({rows.u8, rows.ld_u8, rows.scale, packed_.data<std::int8_t>() + begin * kernels::round_up(in_, 4),
                     scale_.data<float>() + begin, acc_init_.data<std::int32_t>() + begin, count, end - begin, in_,
                     epilogue, c, ldc});
}

}  // namespace sesame::engine
