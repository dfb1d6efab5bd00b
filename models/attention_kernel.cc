#include "models/attention_kernel.h"

#include <algorithm>

#include "kernels/pack.h"
#include "models/cursor.h"

namespace sesame::models {

namespace {

// Tokens of floats as bytes, in scratch memory.
kernels::TokenBytes quantize(const kernels::Table& kernels, const float* x, std::ptrdiff_t ld, std::size_t tokens,
                             std::size_t head_dim, Cursor& scratch) {
  const std::size_t depth = kernels::round_up(head_dim, 4);
  auto* bytes = scratch.take<std::uint8_t>(tokens * depth);
  auto* scale = scratch.take<float>(tokens);
  kernels.quantize_rows_u8(x, ld, tokens, head_dim, bytes, static_cast<std::ptrdiff_t>(depth), scale);
  return {bytes, static_cast<std::ptrdiff_t>(depth), scale};
}

std::size_t token_bytes(std::size_t tokens, std::size_t head_dim) {
  return piece<std::uint8_t>(tokens * kernels::round_up(head_dim, 4)) + piece<float>(tokens);
}

void attend_bytes(const kernels::Table& kernels, const HeadOperands& head) {
  const kernels::AttentionF32& a = head.floats;
  kernels.attention_u8s8({.q = head.q,
                          .k = head.k,
                          .v = head.v,
                          .queries = a.queries,
                          .keys = a.keys,
                          .head_dim = a.head_dim,
                          .scale = a.scale,
                          .bias = a.bias,
                          .ld_bias = a.ld_bias,
                          .out = a.out,
                          .ldo = a.ldo,
                          .scratch = a.scratch});
}

}  // namespace

bool fits_int8(std::size_t keys, std::size_t head_dim) { return keys <= kernels::kMaxK && head_dim <= kernels::kMaxK; }

void HeadOperands::skip_queries(std::size_t count) {
  const auto rows = static_cast<std::ptrdiff_t>(count);
  if (has_bytes()) {
    q.bytes += rows * q.ld;
    q.scale += rows;
  } else {
    floats.q += rows * floats.ldq;
  }
  floats.out += rows * floats.ldo;
  floats.queries -= count;
}

void attend(const kernels::Table& kernels, AttentionPrecision precision, const HeadOperands& head) {
  if (head.has_bytes()) return attend_bytes(kernels, head);
  const kernels::AttentionF32& a = head.floats;
  if (precision != AttentionPrecision::int8 || !fits_int8(a.keys, a.head_dim)) {
    return precision == AttentionPrecision::bf16 ? kernels.attention_bf16(a) : kernels.attention_f32(a);
  }
  HeadOperands made{.floats = a};
  Cursor scratch(a.scratch + kernels::round_up(kernels::attention_u8s8_scratch(a.keys, a.head_dim), 64));
  made.q = quantize(kernels, a.q, a.ldq, a.queries, a.head_dim, scratch);
  made.k = quantize(kernels, a.k, a.ldk, a.keys, a.head_dim, scratch);
  made.v = quantize(kernels, a.v, a.ldv, a.keys, a.head_dim, scratch);
  attend_bytes(kernels, made);
}

std::size_t attention_scratch(std::size_t length, std::size_t head_dim) {
  return std::max(
      {kernels::attention_f32_scratch(length, length, head_dim),
       kernels::attention_bf16_scratch(length, length, head_dim),
       kernels::round_up(kernels::attention_u8s8_scratch(length, head_dim), 64) + 3 * token_bytes(length, head_dim)});
}

}  // namespace sesame::models
