// The specification of the row kernels, of attention and of their functions, as plain loops. A kernel means the same as
// its twin here, bit for bit, at every level (any NaN equals any other); tests compare memory. Contracts: table.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/table.h"

namespace sesame::kernels::reference {

float exp(float x);
float exp2_coarse(float x);
float erf(float x);
float tanh(float x);
float activate(Activation activation, float x);
float activate_short(Activation activation, float x);

// The fixed order of a sum over a row: partial[i % 64] += x[i] for ascending i, from +0; then
// lane[l] = (partial[l] + partial[l + 16]) + (partial[l + 32] + partial[l + 48]); then lane[l] += lane[l + 8] for l <
// 8, lane[l + 4] for l < 4, lane[2 ..], lane[1]; the sum is lane[0].
float sum_row(const float* x, std::size_t n);

// mean = sum(x) / n;  var = sum((x - mean)^2, added by fma) / n;  r = 1 / sqrt(var + epsilon);
// y = fma((x - mean) * r, gamma, beta).
void layernorm_row(const float* x, const float* gamma, const float* beta, float epsilon, std::size_t n, float* y);
void softmax_row(const float* x, std::size_t n, float* y);
float quantize_row_u8(const float* x, std::size_t n, std::uint8_t* q);
float activate_quantize_row_u8(Activation activation, const float* x, std::size_t n, float* y, std::uint8_t* q);
float smooth_quantize_row_u8(const float* x, const float* multiplier, std::size_t n, std::uint8_t* q);
float static_quantize_row_u8(const float* x, const float* multiplier, std::size_t n, float scale,
                             std::uint8_t zero_point, std::uint8_t* q);

void relative_row(const RelativeRow& r);

// Needs no scratch.
void attention_f32(const AttentionF32& a);

}  // namespace sesame::kernels::reference
