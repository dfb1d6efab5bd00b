#include "engine/linear.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "engine/printable.h"
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

void require_finite(const LinearWeights& w) {
  const auto values = w.weight.span<float>();
  const auto bad = std::find_if(values.begin(), values.end(), [](float x) { return !std::isfinite(x); });
  if (bad != values.end()) {
    throw Error("cannot quantize: weight '" + w.name + "' element " + std::to_string(bad - values.begin()) + " is " +
                std::to_string(*bad) + ", expected finite numbers");
  }
}

// A finite weight that no finite bf16 is near would turn answers into infinity or NaN.
void require_bf16_range(const LinearWeights& w) {
  constexpr float kLimit = 0x1.FFp127f;  // halfway between the largest bf16 and 2^128
  const auto values = w.weight.span<float>();
  const auto bad =
      std::find_if(values.begin(), values.end(), [](float x) { return std::isfinite(x) && std::fabs(x) >= kLimit; });
  if (bad != values.end()) {
    char value[32];
    std::snprintf(value, sizeof value, "%.9g", static_cast<double>(*bad));
    throw Error("cannot round to bf16: weight '" + w.name + "' element " + std::to_string(bad - values.begin()) +
                " is " + value + ", expected at most 3.3895314e+38 in magnitude");
  }
}

std::int64_t as_dim(std::size_t n) { return static_cast<std::int64_t>(n); }

}  // namespace

std::string_view name(LinearPrecision precision) {
  switch (precision) {
    case LinearPrecision::fp32:
      return "fp32";
    case LinearPrecision::bf16:
      return "bf16";
    case LinearPrecision::int8:
      break;
  }
  return "int8";
}

LinearPrecision linear_precision(const Node& node) {
  const std::string text = node.attributes.text("precision", "fp32");
  for (LinearPrecision p : {LinearPrecision::bf16, LinearPrecision::int8}) {
    if (text == name(p)) return p;
  }
  return LinearPrecision::fp32;
}

LinearWeights linear_weights(const Graph& graph, const Node& node) {
  LinearWeights w{graph.constant(node.input(1)), graph.constant(node.input(2)),
                  node.attributes.integer("transposed", 0) != 0};
  if (!w.weight || w.weight.type() != DType::f32 || w.weight.rank() != 2 || w.weight.size() == 0) {
    throw Error("Linear: expected a constant float matrix as weight");
  }
  w.name = printable(graph.value(node.input(1)).name);
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
  switch (precision_) {
    case LinearPrecision::fp32:
      pack_fp32(parts);
      break;
    case LinearPrecision::bf16:
      pack_bf16(parts);
      break;
    case LinearPrecision::int8:
      pack_int8(parts);
      break;
  }
}

void Linear::pack_fp32(std::span<const LinearWeights> parts) {
  packed_ = Tensor::allocate_weights(DType::f32, {as_dim(kernels::packed_f32_size(in_, out_))});
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Strides s = strides_of(parts[i]);
    kernels::pack_f32(parts[i].weight.data<float>(), s.k, s.n, in_, parts[i].out_features(),
                      packed_.data<float>() + part_offsets_[i] * in_);
  }
}

void Linear::pack_bf16(std::span<const LinearWeights> parts) {
  const std::size_t depth = kernels::round_up(in_, 2);
  packed_ = Tensor::allocate(DType::u8, {as_dim(kernels::packed_bf16_size(in_, out_) * sizeof(std::uint16_t))});
  for (std::size_t i = 0; i < parts.size(); ++i) {
    require_bf16_range(parts[i]);
    const Strides s = strides_of(parts[i]);
    kernels::pack_bf16(parts[i].weight.data<float>(), s.k, s.n, in_, parts[i].out_features(),
                       reinterpret_cast<std::uint16_t*>(packed_.data<std::uint8_t>()) + part_offsets_[i] * depth);
  }
}

void Linear::pack_int8(std::span<const LinearWeights> parts) {
  const std::size_t padded = kernels::round_up(out_, kernels::kPanel);
  const std::size_t depth = kernels::round_up(in_, 4);
  packed_ = Tensor::allocate_weights(DType::i8, {as_dim(kernels::packed_s8_size(in_, out_))});
  scale_ = Tensor::allocate(DType::f32, {as_dim(padded)});
  acc_init_ = Tensor::allocate(DType::i32, {as_dim(padded)});
  for (std::size_t i = 0; i < parts.size(); ++i) {
    require_finite(parts[i]);
    const Strides s = strides_of(parts[i]);
    kernels::quantize_pack_s8(parts[i].weight.data<float>(), s.k, s.n, in_, parts[i].out_features(),
                              packed_.data<std::int8_t>() + part_offsets_[i] * depth,
                              scale_.data<float>() + part_offsets_[i]);
  }
  kernels::column_sums_s8(packed_.data<std::int8_t>(), in_, out_, acc_init_.data<std::int32_t>());
  for (std::size_t n = 0; n < padded; ++n) acc_init_.data<std::int32_t>()[n] *= -128;
}

std::size_t Linear::row_bytes() const {
  constexpr std::size_t kLine = 64;
  switch (precision_) {
    case LinearPrecision::fp32:
      return 0;
    case LinearPrecision::bf16:
      return kernels::round_up(in_ * sizeof(std::uint16_t), kLine);
    case LinearPrecision::int8:
      break;
  }
  return kernels::round_up(in_, kLine);
}

Rows Linear::make_rows(const kernels::Table& kernels, const float* x, std::ptrdiff_t ld, std::size_t count,
                       std::byte* made, float* scale) const {
  Rows rows{x, ld};
  const std::size_t stride = row_bytes();
  if (precision_ == LinearPrecision::int8) {
    rows.u8 = reinterpret_cast<std::uint8_t*>(made);
    rows.ld_u8 = static_cast<std::ptrdiff_t>(stride);
    rows.scale = scale;
  } else if (precision_ == LinearPrecision::bf16) {
    rows.bf16 = reinterpret_cast<std::uint16_t*>(made);
    rows.ld_bf16 = static_cast<std::ptrdiff_t>(stride / sizeof(std::uint16_t));
  }
  for (std::size_t m = 0; m < count; ++m, x += ld, made += stride) {
    if (rows.u8 != nullptr) scale[m] = kernels.quantize_row_u8(x, in_, reinterpret_cast<std::uint8_t*>(made));
    if (rows.bf16 != nullptr) kernels.to_bf16_row(x, in_, reinterpret_cast<std::uint16_t*>(made));
  }
  return rows;
}

void Linear::run(const kernels::Table& kernels, const Rows& rows, std::size_t count, std::size_t begin, std::size_t end,
                 kernels::Epilogue epilogue, float* c, std::ptrdiff_t ldc) const {
  assert(begin % kernels::kPanel == 0 && begin < end && end <= out_);
  epilogue.bias = bias_.data<float>() + begin;
  const std::size_t columns = end - begin;
  switch (precision_) {
    case LinearPrecision::fp32: {
      const float* w = packed_.data<float>() + begin * in_;
      return kernels.gemm_f32({rows.f32, rows.ld, w, count, columns, in_, epilogue, c, ldc});
    }
    case LinearPrecision::bf16: {
      const auto* w =
          reinterpret_cast<const std::uint16_t*>(packed_.data<std::uint8_t>()) + begin * kernels::round_up(in_, 2);
      return kernels.gemm_bf16({rows.bf16, rows.ld_bf16, w, count, columns, in_, epilogue, c, ldc});
    }
    case LinearPrecision::int8: {
      const std::int8_t* w = packed_.data<std::int8_t>() + begin * kernels::round_up(in_, 4);
      return kernels.gemm_u8s8({rows.u8, rows.ld_u8, rows.scale, w, scale_.data<float>() + begin,
                                acc_init_.data<std::int32_t>() + begin, count, columns, in_, epilogue, c, ldc});
    }
  }
}

}  // namespace sesame::engine
