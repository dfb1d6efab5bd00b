// The specification of the GEMM kernels and of packing, as plain loops over plain matrices. A kernel means the same as
// its twin here, bit for bit, at every level; tests compare memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/pack.h"
#include "kernels/table.h"

namespace sesame::kernels::reference {

// GemmF32 in plain loops; it reads W through the packed layout of pack.h.
void gemm_f32(const GemmF32& g);

// GemmU8S8 in plain loops, likewise.
void gemm_u8s8(const GemmU8S8& g);

// scale[n] = max_k |w[k][n]| / largest, or max_kn with one_scale; q[k][n] = w[k][n] / scale[n], rounded half to even
// and clamped to [-largest, largest]. w and q are [K][N] without padding, so q is not packed.
void quantize_weights_s8(const float* w, std::size_t K, std::size_t N, std::int8_t* q, float* scale,
                         const WeightGrid& grid = {});

}  // namespace sesame::kernels::reference
