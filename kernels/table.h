// The kernels, as one table of functions a level. Each kernel means the same as its twin in reference.h, bit for bit,
// at every level; `table(isa)` gives tests every level in one process, and the engine takes `table(default_isa())`.
//
// Vocabulary: M activation rows (real tokens), N output features, K input features; m n k their indices; operands a b
// c; ld* is the distance between rows, in elements. Buffers are read and written in the stated bounds only, unless a
// comment says what may be read beyond. Kernels allocate nothing, assert on misuse and never throw.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/isa.h"

namespace sesame::kernels {

enum class Activation {
  none,
  gelu_erf,   // x * Phi(x) = 0.5 x (1 + erf(x / sqrt 2))
  gelu_tanh,  // 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
  relu,       // NaN stays NaN
  tanh,
};

// What follows the product, in this order: y = act(acc + bias[n]) + residual[m][n].
struct Epilogue {
  const float* bias = nullptr;  // [N], or null for none
  Activation activation = Activation::none;
  const float* residual = nullptr;  // [M][N], row stride ld_residual, or null for none; may be c itself
  std::ptrdiff_t ld_residual = 0;
};

// c[m][n] = act(chain(m, n) + bias[n]) + residual[m][n], where chain(m, n) is one chain of fused multiply-adds from 0
// in ascending k: acc = fma(a[m][k], W[k][n], acc). No split over k, so the bits do not depend on M, N or blocking.
struct GemmF32 {
  const float* a;  // [M][K], row stride lda
  std::ptrdiff_t lda;
  const float* b;  // W packed by pack_f32, [N/16][K][16], 64-byte aligned
  std::size_t M, N, K;
  Epilogue epilogue;
  float* c;  // [M][N], row stride ldc; only columns < N are written
  std::ptrdiff_t ldc;
};

// The int8 product with rows quantized on their own:
//   acc[m][n] = acc_init[n] + sum_k a[m][k] * W[k][n]              exact in int32, K <= 65,793
//   c[m][n]   = act(fma(float(acc), a_scale[m] * b_scale[n], bias[n])) + residual[m][n]
// With a = q + 128 (quantize_row_u8) and acc_init[n] = -128 * colsum[n] the +128 cancels. A null bias counts as 0.
struct GemmU8S8 {
  const std::uint8_t* a;  // [M][K], row stride lda >= round_up(K, 4); bytes up to round_up(K, 4) are read
  std::ptrdiff_t lda;
  const float* a_scale;          // [M]
  const std::int8_t* b;          // W packed by pack_s8, [N/16][K/4][16][4], 64-byte aligned
  const float* b_scale;          // [round_up(N, 16)]
  const std::int32_t* acc_init;  // [round_up(N, 16)]
  std::size_t M, N, K;
  Epilogue epilogue;
  float* c;  // [M][N], row stride ldc; only columns < N are written
  std::ptrdiff_t ldc;
};

// The bf16 product, which is VDPBF16PS's at every level: two fused multiply-adds a pair of k, the odd one first, in
// fp32 from 0, with denormal operands and denormal results flushed to a zero of their sign (bf16.h, fma_flushed):
//   for k = 0, 2, ..:  acc = fma(a[m][k + 1], W[k + 1][n], acc);  acc = fma(a[m][k], W[k][n], acc)
//   c[m][n] = act(acc + bias[n]) + residual[m][n]
// An odd K ends in a pair whose second half is 0 on both sides; it is a term like any other. Levels amx and
// amx_emulated add in another order, that of AMX (tiles.h): 32 values of k at a time, even and odd ones apart.
struct GemmBf16 {
  const std::uint16_t* a;  // [M][round_up(K, 2)] of to_bf16_row, row stride lda; element K of an odd K is 0
  std::ptrdiff_t lda;
  const std::uint16_t* b;  // W packed by pack_bf16, [N/16][K/2][16][2], 64-byte aligned
  std::size_t M, N, K;
  Epilogue epilogue;  // in ordinary fp32, denormals included
  float* c;           // [M][N], row stride ldc; only columns < N are written
  std::ptrdiff_t ldc;
};

// The integer product alone, the sums of GemmU8S8 before anything is made of them:
//   c[m][n] = acc_init[n] + sum_k a[m][k] * W[k][n]
// Sums beyond int32 wrap around, at any K.
struct SumsU8S8 {
  const std::uint8_t* a;  // as in GemmU8S8
  std::ptrdiff_t lda;
  const std::int8_t* b;
  const std::int32_t* acc_init;  // [round_up(N, 16)]
  std::size_t M, N, K;
  std::int32_t* c;  // [M][N], row stride ldc; only columns < N are written
  std::ptrdiff_t ldc;
};

// Bytes that stand for (q - zero_point) * scale: unsigned in [0, 255], or signed in [-128, 127] as two's complement.
struct ByteRange {
  bool is_signed;
  std::int32_t zero_point;  // within the range

  constexpr std::int32_t lowest() const { return is_signed ? -128 : 0; }
};

struct Range {
  float low, high;
};

struct ByteSum {
  float a_ratio, b_ratio, offset;
  bool is_signed;
};

// A row of integer sums over bytes, and what is still to be done to them: v[i] = float(sums[i] - row_sum *
// weight_zero[i]) * factor[i], the difference exact (it wraps around), the product rounded.
struct SumsRow {
  const std::int32_t* sums;
  const float* factor;
  const std::int32_t* weight_zero = nullptr;  // null: 0 everywhere
  std::int32_t row_sum = 0;                   // of the row of bytes that the sums are of
};

// One number for all elements, or a row of them.
struct Operand {
  const float* data;
  bool is_one;
};
enum class Combination { add, subtract, multiply, divide };

// One head of one sequence, scores, softmax and context in one go:
//   score[i][j] = chain over d of fma(q[i][d], k[j][d], .) from 0, times `scale`, plus `bias[i][j]`, each rounded
//   p[i][j]     = exp(score[i][j] - max_j score[i][j]);  s[i] = sum_j p[i][j] in the fixed order of lanes.h
//   out[i][d]   = (chain over j of fma(p[i][j], v[j][d], .) from 0) * (1 / s[i])
// The caller passes real keys only, so there is no mask. `queries` and `keys` >= 1.
struct AttentionF32 {
  const float* q;  // [queries][head_dim], row stride ldq; likewise k and v: [keys][head_dim], ldk, ldv
  std::ptrdiff_t ldq;
  const float* k;
  std::ptrdiff_t ldk;
  const float* v;
  std::ptrdiff_t ldv;
  std::size_t queries, keys, head_dim;
  float scale;        // 1 / sqrt(head_dim), usually
  const float* bias;  // [queries][keys], row stride ld_bias (0: one row for all queries), or null for none
  std::ptrdiff_t ld_bias;
  float* out;  // [queries][head_dim], row stride ldo
  std::ptrdiff_t ldo;
  std::byte* scratch;  // attention_f32_scratch(queries, keys, head_dim) bytes, 64-byte aligned
};
std::size_t attention_f32_scratch(std::size_t queries, std::size_t keys, std::size_t head_dim);

// Tokens of a head in int8, as quantize_rows_u8 makes them: q + 128 for q in [-127, 127], with a scale each, 0 for one
// that counts as zero and NaN for one with NaN or infinity.
struct TokenBytes {
  const std::uint8_t* bytes;  // [tokens][round_up(head_dim, 4)], 128 past head_dim; on a multiple of 4 bytes
  std::ptrdiff_t ld;          // between rows, a multiple of 4
  const float* scale;         // [tokens]
};

// The same head in int8: q8, k8 and v8 with scales sq, sk and sv. The integer sums are exact, keys and head_dim <=
// 65,793. Base 2, and every product with scales rounded:
//   acc[i][j]   = sum_d q8[i][d] * k8[j][d];  t[i][j] = float(acc) * (sk[j] * (scale * log2(e)))
//   V           = max_j sv[j];  r[j] = max(sv[j] * (1 / V), 2^-40)
//   L[j]        = fma(float(r's bits as an integer), 2^-23, -127);  u[j] = 2^-L[j]
//   y[i][j]     = fma(t, sq[i], L[j]);  with a bias then fma(bias[i][j], log2(e), y), but where B[i] = max_j
//                 bias[i][j] < -2^16:  fma(fma(y - L[j], ln(2), bias[i][j]) - B[i], log2(e), L[j])
//   e[i][j]     = 2^(y - max_j y);  2^x here and in u as exp2_coarse of math_lanes.h has it
//   s[i]        = (s0 + s1) + (s2 + s3)
//   sn          = the chain of fma(e[i][j], u[j], .) from 0 over the j with j % 4 = n, in ascending order
//   w8[i][j]    = e[i][j] * ((r[j] * 240) * u[j]), rounded half to even once, unsigned
//   out[i][d]   = float(sum_j w8[i][j] * v8[j][d]) * ((V / 240) / s[i])
// With V < 2^-100 the head is 0; with NaN among sv it is NaN, with NaN among a row's y the row is. V's scales lie along
// the summed index, so they go into the weights; and they do so as a part of the scores, so that every row's largest
// weight lies in [240, 255], without a pass over the row to find it. L is log2(r) but for straight lines between powers
// of 2, at most 0.087 less than that is; r * u, in [1, 1.0615], makes up for it. A bias that masks all of a row's keys
// may swallow scores, as it does in fp32, but not L, or the row's weights wouldn't be what is left of the scores. Where
// scores themselves are beyond 2^16, L rounds as they do: it matters among those closer to each other than a step there.
struct AttentionU8S8 {
  TokenBytes q, k, v;  // queries, keys and as many values
  std::size_t queries, keys, head_dim;
  float scale;
  const float* bias;  // as in AttentionF32; ld_bias likewise
  std::ptrdiff_t ld_bias;
  float* out;  // [queries][head_dim], row stride ldo
  std::ptrdiff_t ldo;
  std::byte* scratch;  // attention_u8s8_scratch(keys, head_dim) bytes, 64-byte aligned
};
std::size_t attention_u8s8_scratch(std::size_t keys, std::size_t head_dim);

// What relative positions add to one query's scores: with t = index[j], the place of key j's position relative to the
// query's in tables of such places,
//   y[j] = (bias[j] + query[t]) + key[j * ld_key + t],  without the terms that are null, or 0 without any
struct RelativeRow {
  const std::int32_t* index;  // [n], none negative
  const float* bias;          // [n], or null for none
  const float* query;         // the query's products with a row for each place, or null
  const float* key;           // a row of the same for each key, row stride ld_key; or null
  std::ptrdiff_t ld_key;      // < 2^27
  std::size_t n;              // keys
  float* y;                   // [n]; may be bias
};

// attention_f32's head in bf16: q, k, v and p are rounded to it, and both chains are those of GemmBf16, over pairs of d
// and of j, an odd last one with 0, with denormals flushed; everything else is attention_f32's, and s is the sum of p
// before it is rounded.
using AttentionBf16 = AttentionF32;  // with attention_bf16_scratch bytes of scratch
std::size_t attention_bf16_scratch(std::size_t queries, std::size_t keys, std::size_t head_dim);

struct Table {
  Isa isa;

  void (*gemm_f32)(const GemmF32&);
  void (*gemm_u8s8)(const GemmU8S8&);
  void (*gemm_bf16)(const GemmBf16&);
  void (*attention_f32)(const AttentionF32&);

  // y = fma((x - mean) * (1 / sqrt(var + epsilon)), gamma, beta) over n >= 1 elements; var is the mean of squares of
  // x - mean; sums in the fixed order of lanes.h. y may be x.
  void (*layernorm_row)(const float* x, const float* gamma, const float* beta, float epsilon, std::size_t n, float* y);

  // The same of two rows, ldx apart; those of y are ldy apart.
  void (*layernorm_two_rows)(const float* x, std::ptrdiff_t ldx, const float* gamma, const float* beta, float epsilon,
                             std::size_t n, float* y, std::ptrdiff_t ldy);

  // y = exp(x - max x) / sum, n >= 1. y may be x. A row whose maximum is -infinity gives NaN, as the formula does.
  void (*softmax_row)(const float* x, std::size_t n, float* y);

  // One symmetric scale a row: m = max |x|, q[k] = round_half_even(x[k] * (127 / m)) + 128, scale = m / 127. A row with
  // m < 2^-100 counts as zero (q = 128, scale = 0); one with NaN or infinity gets scale NaN and q = 128. Writes q up to
  // round_up(n, 4), padding 128. Returns the scale.
  float (*quantize_row_u8)(const float* x, std::size_t n, std::uint8_t* q);

  // y[i] = act(x[i]), a GELU only as exact as 8 bits need (math_lanes.h), then quantize_row_u8 of y. y is not x.
  float (*activate_quantize_row_u8)(Activation activation, const float* x, std::size_t n, float* y, std::uint8_t* q);

  // Many rows of that, n each: x's row stride is ldx, q's ldq >= round_up(n, 4). scale[rows]. Of rows with scale NaN
  // the bytes mean nothing.
  void (*quantize_rows_u8)(const float* x, std::ptrdiff_t ldx, std::size_t rows, std::size_t n, std::uint8_t* q,
                           std::ptrdiff_t ldq, float* scale);

  // y[i] = x[i] as bf16, rounded half to even; NaN stays NaN, denormals become a zero of their sign (bf16.h). Writes y
  // up to round_up(n, 2), padding 0.
  void (*to_bf16_row)(const float* x, std::size_t n, std::uint16_t* y);
  // The same of y[k] = x[k] * multiplier[k], rounded: SmoothQuant's step.
  float (*smooth_quantize_row_u8)(const float* x, const float* multiplier, std::size_t n, std::uint8_t* q);

  // A scale and zero point that were known before: q[k] = clamp(round_half_even(y[k] / scale) + zero_point, 0, 255)
  // with y as above, y = x where multiplier is null; scale > 0. A row with NaN or infinity gets scale NaN and q =
  // zero_point. Writes q up to round_up(n, 4), padding zero_point. Returns the scale.
  float (*static_quantize_row_u8)(const float* x, const float* multiplier, std::size_t n, float scale,
                                  std::uint8_t zero_point, std::uint8_t* q);

  // y[i] = act(x[i]); y may be x.
  void (*activation_row)(Activation activation, const float* x, std::size_t n, float* y);

  // Elementwise functions by our own polynomials (math_lanes.h); y may be x.
  void (*exp_row)(const float* x, std::size_t n, float* y);
  void (*erf_row)(const float* x, std::size_t n, float* y);
  void (*tanh_row)(const float* x, std::size_t n, float* y);

  // y[i] = y[i] + x[i].
  void (*add_row)(const float* x, std::size_t n, float* y);

  void (*relative_row)(const RelativeRow&);

  // The sum of x in the fixed order of lanes.h, for reductions in the executor.
  float (*sum_row)(const float* x, std::size_t n);

  // Register-only peaks of one core: run for `iterations` of a fixed loop and return the multiply-adds done. `sink`
  // keeps the result alive.
  double (*peak_f32)(std::size_t iterations, float* sink);
  double (*peak_u8s8)(std::size_t iterations, std::int32_t* sink);
  double (*peak_bf16)(std::size_t iterations, float* sink);

  void (*attention_u8s8)(const AttentionU8S8&);

  // For graphs that bring their own quantization, whose operators are computed one by one: every one of them rounds.
  void (*sums_u8s8)(const SumsU8S8&);

  // The least and the greatest of x and 0. Both are NaN when x has a NaN or an infinity.
  Range (*range_row)(const float* x, std::size_t n);
  // q[i] = saturate(round_half_even(x[i] / scale) + zero_point); NaN becomes the least byte. Writes n bytes.
  void (*quantize_affine_row)(const float* x, std::size_t n, float scale, const ByteRange& range, std::uint8_t* q);
  // y[i] = v[i] + bias[i], or v[i] where bias is null.
  void (*scale_sums_row)(const SumsRow& row, const float* bias, std::size_t n, float* y);
  // q[i] = saturate(round_half_even(v[i]) + zero_point); NaN becomes the least byte. Writes n bytes.
  void (*requantize_sums_row)(const SumsRow& row, std::size_t n, const ByteRange& range, std::uint8_t* q);
  // y[i] = float(q[i] - zero_point) * scale.
  void (*dequantize_row)(const std::uint8_t* q, std::size_t n, float scale, const ByteRange& range, float* y);
  // The sum of two rows of bytes as ONNX Runtime's QLinearAdd makes it: q[i] = saturate(round_half_even(
  // fma(a[i], a_ratio, fma(b[i], b_ratio, offset)))), a and b as integers of the range's sign; its zero point is in
  // `offset`. q may be a or b.
  void (*add_bytes_row)(const std::uint8_t* a, const std::uint8_t* b, std::size_t n, const ByteSum& sum,
                        std::uint8_t* q);
  // The sum of n <= 65,793 bytes.
  std::int32_t (*sum_u8_row)(const std::uint8_t* q, std::size_t n);

  // y[i] = a[i] (+ - * /) b[i]; y may be an operand. One of the operands at least is a row.
  void (*combine_row)(Combination combination, const Operand& a, const Operand& b, std::size_t n, float* y);
  // LayerNorm as its operators spell it, n >= 1: d = x - mean(x); y = (d / sqrt(mean(d * d) + epsilon)) * gamma + beta,
  // each operation rounded, sums in the fixed order of lanes.h. y may be x.
  void (*layernorm_steps_row)(const float* x, const float* gamma, const float* beta, float epsilon, std::size_t n,
                              float* y);

  void (*attention_bf16)(const AttentionBf16&);
};

// The table of a level that supported(isa) says is there, as kernel_list.inc has it.
const Table& listed_table(Isa isa);

// The same, for use: of two kernels with the same bits, the one that is faster on this CPU. VDPBF16PS runs at twice the
// multiply-adds of fp32 on Zen 4 and at half of them on Emerald Rapids, where two ordinary fused multiply-adds a pair
// win; which it is, a measurement of about 0.1 ms says at the first call.
const Table& table(Isa isa);

}  // namespace sesame::kernels
