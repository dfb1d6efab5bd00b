// The register-only bf16 peak of one core (VDPBF16PS), to report beside the peaks that kernels are held against.
#pragma once

#include <cstddef>

namespace sesame::kernels {

// Runs `iterations` of a fixed loop and returns the multiply-adds done; `sink` keeps the result alive. Null where the
// CPU has no AVX512_BF16, or where SESAME_ISA asks for a level below avx512vnni.
using PeakBf16 = double (*)(std::size_t iterations, float* sink);
PeakBf16 peak_bf16();

}  // namespace sesame::kernels
