// Level scalar of the peaks: the multiply-adds of its GEMM kernels, on values in registers.
#include "kernels/bf16.h"
#include "kernels/table.h"

namespace sesame::kernels::scalar {

// The level's fused multiply-add is a function call, which is what its GEMM pays for.
double peak_f32(std::size_t iterations, float* sink) {
  constexpr int kSums = 16;
  volatile float one = 1;
  const float x = one;
  float sum[kSums] = {};
  for (std::size_t i = 0; i < iterations; ++i) {
    for (float& s : sum) s = __builtin_fmaf(x, x, s);
  }
  for (float s : sum) *sink += s;
  return static_cast<double>(iterations) * kSums;
}

double peak_bf16(std::size_t iterations, float* sink) {
  constexpr int kSums = 16;
  volatile float one = 1;
  const float x = one;
  float sum[kSums] = {};
  for (std::size_t i = 0; i < iterations; ++i) {
    for (float& s : sum) s = fma_flushed(x, x, s);
  }
  for (float s : sum) *sink += s;
  return static_cast<double>(iterations) * kSums;
}

double peak_u8s8(std::size_t iterations, std::int32_t* sink) {
  constexpr int kSums = 16;
  std::uint32_t sum[kSums] = {};
  std::uint32_t x[kSums];
  for (std::uint32_t i = 0; i < kSums; ++i) x[i] = i + static_cast<std::uint32_t>(*sink);
  for (std::size_t i = 0; i < iterations; ++i) {
    for (int j = 0; j < kSums; ++j) sum[j] += x[j] * static_cast<std::uint32_t>(i);
  }
  for (std::uint32_t s : sum) *sink ^= static_cast<std::int32_t>(s);
  return static_cast<double>(iterations) * kSums;
}

}  // namespace sesame::kernels::scalar
