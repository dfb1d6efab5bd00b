#include "engine/linear.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "engine/finite_weights.h"
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

// What the grid's zero point takes off every sum.
std::int32_t known_zero_point(const LinearScheme& scheme) {
  if (scheme.rows == RowGrid::per_tensor) return 1;  // times the one that is found while running
  return scheme.rows == RowGrid::fixed ? scheme.row_zero_point : 128;
}

std::int64_t as_dim(std::size_t n) { return static_cast<std::int64_t>(n); }

std::int64_t as_padded(std::size_t n) { return as_dim(kernels::round_up(n, kernels::kPanel)); }

void require(const Tensor& t, std::string_view what, DType type, std::int64_t size) {
  if (t && t.has_data() && t.type() == type && t.size() == size) return;
  throw Error("Linear: expected a packed " + std::string(what) + " of " + std::to_string(size) + " " +
              std::string(name(type)) + (t ? ", found " + to_string(t.shape()) : ", found none"));
}

std::size_t feature_count(const Node& node, std::string_view attribute) {
  constexpr std::int64_t kMost = std::int64_t{1} << 31;  // products of two fit 64 bits
  const std::int64_t count = node.attributes.integer(attribute);
  if (count < 1 || count > kMost) throw Error("Linear: attribute '" + std::string(attribute) + "' is out of range");
  return static_cast<std::size_t>(count);
}

// Sums start within what a column of int8 weights can add up to, so that none leaves an int32.
void require_small_sums(const PackedLinear& p) {
  constexpr std::size_t kMost = kernels::kMaxK / 2;
  const auto bound = static_cast<std::int64_t>(255 * 128 * p.in);
  const auto sums = p.acc_init.span<std::int32_t>();
  const bool small =
      std::all_of(sums.begin(), sums.end(), [&](std::int32_t s) { return std::abs(std::int64_t{s}) <= bound; });
  if (p.in > kMost || !small) throw Error("Linear: packed sums out of range");
}

PackedLinear packed_linear(const Graph& graph, const Node& node) {
  PackedLinear p;
  p.in = feature_count(node, "packed_in");
  p.out = feature_count(node, "packed_out");
  p.weight = graph.constant(node.input(1));
  p.bias = graph.constant(node.input(2));
  require(p.bias, "bias", DType::f32, as_padded(p.out));
  switch (linear_scheme(node).precision) {
    case LinearPrecision::fp32:
      require(p.weight, "weight", DType::f32, as_dim(kernels::packed_f32_size(p.in, p.out)));
      return p;
    case LinearPrecision::bf16:
      require(p.weight, "weight", DType::u8, as_dim(kernels::packed_bf16_size(p.in, p.out) * sizeof(std::uint16_t)));
      return p;
    case LinearPrecision::int8:
      break;
  }
  p.scale = graph.constant(node.input(3));
  p.acc_init = graph.constant(node.input(4));
  require(p.weight, "weight", DType::i8, as_dim(kernels::packed_s8_size(p.in, p.out)));
  require(p.scale, "scale", DType::f32, as_padded(p.out));
  require(p.acc_init, "initial sum", DType::i32, as_padded(p.out));
  require_small_sums(p);
  return p;
}

}  // namespace

LinearWeights linear_weights(const Graph& graph, const Node& node) {
  if (node.attributes.has("packed_in")) return {.weight = {}, .bias = {}, .packed = packed_linear(graph, node)};
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

Linear::Linear(const LinearWeights& weights, const LinearScheme& scheme) : Linear(std::span(&weights, 1), scheme) {}

Linear::Linear(std::span<const LinearWeights> parts, const LinearScheme& scheme) : scheme_(scheme) {
  assert(!parts.empty());
  in_ = parts[0].in_features();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].in_features() != in_) throw Error("Linear: parts of different input sizes");
    part_offsets_.push_back(kernels::round_up(out_, kernels::kPanel));
    out_ = part_offsets_.back() + parts[i].out_features();
  }
  if (scheme_.multiplier && scheme_.multiplier.size() != as_dim(in_)) {
    throw Error("cannot quantize: expected a multiplier of " + std::to_string(in_) + " floats, found " +
                std::to_string(scheme_.multiplier.size()));
  }
  parts[0].packed ? adopt(parts) : pack(parts);
}

void Linear::pack(std::span<const LinearWeights> parts) {
  const std::size_t padded = kernels::round_up(out_, kernels::kPanel);
  bias_ = Tensor::allocate(DType::f32, {as_dim(padded)});
  std::fill_n(bias_.data<float>(), padded, 0.0f);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].packed) throw Error("Linear: expected all parts to be packed or none");
    if (parts[i].bias) {
      std::copy_n(parts[i].bias.data<float>(), parts[i].out_features(), bias_.data<float>() + part_offsets_[i]);
    }
  }
  if (scheme_.precision == LinearPrecision::fp32) return pack_fp32(parts);
  if (scheme_.precision == LinearPrecision::bf16) return pack_bf16(parts);
  if (in_ > kernels::kMaxK) {
    throw Error("cannot quantize: expected at most " + std::to_string(kernels::kMaxK) + " input features, found " +
                std::to_string(in_));
  }
  pack_int8(parts);
}

namespace {

// The tensors behind each other: a view where they lie so in memory already, as they do in a packed file.
Tensor joined(std::span<const LinearWeights> parts, Tensor PackedLinear::*field) {
  const Tensor& first = (*parts[0].packed).*field;
  if (!first) return {};
  const auto* end = static_cast<const std::byte*>(first.raw());
  std::int64_t size = 0;
  bool adjacent = reinterpret_cast<std::uintptr_t>(end) % 64 == 0;
  for (const LinearWeights& part : parts) {
    const Tensor& t = (*part.packed).*field;
    adjacent = adjacent && t.raw() == end;
    end += t.bytes();
    size += t.size();
  }
  if (adjacent) return Tensor::view(first.type(), {size}, first.raw(), std::make_shared<const Tensor>(first));
  Tensor all = Tensor::allocate(first.type(), {size});
  auto* to = static_cast<std::byte*>(all.raw());
  for (const LinearWeights& part : parts) {
    const Tensor& t = (*part.packed).*field;
    to = std::copy_n(static_cast<const std::byte*>(t.raw()), t.bytes(), to);
  }
  return all;
}

}  // namespace

void Linear::adopt(std::span<const LinearWeights> parts) {
  for (const LinearWeights& part : parts) {
    if (!part.packed || part.packed->weight.type() != parts[0].packed->weight.type()) {
      throw Error("Linear: expected all parts to be packed alike");
    }
  }
  packed_ = joined(parts, &PackedLinear::weight);
  bias_ = joined(parts, &PackedLinear::bias);
  scale_ = joined(parts, &PackedLinear::scale);
  acc_init_ = joined(parts, &PackedLinear::acc_init);
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
  packed_ = Tensor::allocate_weights(DType::u8, {as_dim(kernels::packed_bf16_size(in_, out_) * sizeof(std::uint16_t))});
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
    require_finite(parts[i].name, parts[i].weight.span<float>());
    const Strides s = strides_of(parts[i]);
    kernels::quantize_pack_s8(parts[i].weight.data<float>(), s.k, s.n, in_, parts[i].out_features(),
                              packed_.data<std::int8_t>() + part_offsets_[i] * depth,
                              scale_.data<float>() + part_offsets_[i], scheme_.weights);
  }
  kernels::column_sums_s8(packed_.data<std::int8_t>(), in_, out_, acc_init_.data<std::int32_t>());
  const std::int32_t zero_point = known_zero_point(scheme_);
  for (std::size_t n = 0; n < padded; ++n) acc_init_.data<std::int32_t>()[n] *= -zero_point;
}

std::size_t Linear::row_bytes() const {
  constexpr std::size_t kLine = 64;
  switch (scheme_.precision) {
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
  if (scheme_.precision == LinearPrecision::fp32) return {x, ld};
  if (scheme_.precision == LinearPrecision::bf16) return round_rows(kernels, x, ld, count, made);
  if (scheme_.rows != RowGrid::per_row) {
    assert(scheme_.rows == RowGrid::fixed);
    return make_rows(kernels, x, ld, count, scheme_.row_scale, scheme_.row_zero_point, nullptr, made, scale);
  }
  const std::size_t stride = row_bytes();
  auto* u8 = reinterpret_cast<std::uint8_t*>(made);
  const float* multiplier = scheme_.multiplier ? scheme_.multiplier.data<float>() : nullptr;
  for (std::size_t m = 0; m < count; ++m, x += ld) {
    scale[m] = multiplier == nullptr ? kernels.quantize_row_u8(x, in_, u8 + m * stride)
                                     : kernels.smooth_quantize_row_u8(x, multiplier, in_, u8 + m * stride);
  }
  return {.u8 = u8, .ld_u8 = static_cast<std::ptrdiff_t>(stride), .scale = scale};
}

void Linear::make_activated_row(const kernels::Table& kernels, kernels::Activation activation, const float* x,
                                float* activated, std::byte* made, float* scale) const {
  const bool is_plain = scheme_.precision == LinearPrecision::int8 && scheme_.rows == RowGrid::per_row;
  if (is_plain && !scheme_.multiplier) {
    *scale = kernels.activate_quantize_row_u8(activation, x, in_, activated, reinterpret_cast<std::uint8_t*>(made));
    return;
  }
  kernels.activation_row(activation, x, in_, activated);
  make_rows(kernels, activated, 0, 1, made, scale);
}

Rows Linear::round_rows(const kernels::Table& kernels, const float* x, std::ptrdiff_t ld, std::size_t count,
                        std::byte* made) const {
  const std::size_t stride = row_bytes() / sizeof(std::uint16_t);
  auto* bf16 = reinterpret_cast<std::uint16_t*>(made);
  for (std::size_t m = 0; m < count; ++m, x += ld) kernels.to_bf16_row(x, in_, bf16 + m * stride);
  return {.bf16 = bf16, .ld_bf16 = static_cast<std::ptrdiff_t>(stride)};
}

Rows Linear::make_rows(const kernels::Table& kernels, const float* x, std::ptrdiff_t ld, std::size_t count,
                       float row_scale, std::uint8_t zero_point, const std::int32_t* acc_init, std::byte* made,
                       float* scale) const {
  const std::size_t stride = row_bytes();
  auto* u8 = reinterpret_cast<std::uint8_t*>(made);
  const float* multiplier = scheme_.multiplier ? scheme_.multiplier.data<float>() : nullptr;
  for (std::size_t m = 0; m < count; ++m, x += ld) {
    scale[m] = kernels.static_quantize_row_u8(x, multiplier, in_, row_scale, zero_point, u8 + m * stride);
  }
  return {.u8 = u8, .ld_u8 = static_cast<std::ptrdiff_t>(stride), .scale = scale, .acc_init = acc_init};
}

void Linear::init_sums(std::uint8_t zero_point, std::int32_t* sums) const {
  assert(scheme_.rows == RowGrid::per_tensor);
  const auto known = acc_init_.span<std::int32_t>();
  std::transform(known.begin(), known.end(), sums, [&](std::int32_t sum) { return sum * zero_point; });
}

void Linear::run(const kernels::Table& kernels, const Rows& rows, std::size_t count, std::size_t begin, std::size_t end,
                 kernels::Epilogue epilogue, float* c, std::ptrdiff_t ldc) const {
  assert(begin % kernels::kPanel == 0 && begin < end && end <= out_);
  epilogue.bias = bias_.data<float>() + begin;
  const std::size_t columns = end - begin;
  switch (scheme_.precision) {
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
      const std::int32_t* acc_init = rows.acc_init != nullptr ? rows.acc_init : acc_init_.data<std::int32_t>();
      return kernels.gemm_u8s8({rows.u8, rows.ld_u8, rows.scale, w, scale_.data<float>() + begin, acc_init + begin,
                                count, columns, in_, epilogue, c, ldc});
    }
  }
}

}  // namespace sesame::engine
