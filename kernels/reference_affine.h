// The specification of the kernels for graphs that bring their own quantization, as plain loops; see reference_rows.h.
// Contracts: table.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/table.h"

namespace sesame::kernels::reference {

void sums_u8s8(const SumsU8S8& g);
Range range_row(const float* x, std::size_t n);
void quantize_affine_row(const float* x, std::size_t n, float scale, const ByteRange& range, std::uint8_t* q);
void scale_sums_row(const SumsRow& row, const float* bias, std::size_t n, float* y);
void requantize_sums_row(const SumsRow& row, std::size_t n, const ByteRange& range, std::uint8_t* q);
void dequantize_row(const std::uint8_t* q, std::size_t n, float scale, const ByteRange& range, float* y);
void add_bytes_row(const std::uint8_t* a, const std::uint8_t* b, std::size_t n, const ByteSum& sum, std::uint8_t* q);
std::int32_t sum_u8_row(const std::uint8_t* q, std::size_t n);
void combine_row(Combination combination, const Operand& a, const Operand& b, std::size_t n, float* y);
void layernorm_steps_row(const float* x, const float* gamma, const float* beta, float epsilon, std::size_t n, float* y);

}  // namespace sesame::kernels::reference
