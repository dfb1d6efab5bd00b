#include "kernels/peak_bf16.h"

#include "kernels/isa.h"

namespace sesame::kernels {

namespace avx512bf16 {
double peak_bf16(std::size_t iterations, float* sink);
}

PeakBf16 peak_bf16() { return default_isa() >= Isa::avx512vnni && has_avx512bf16() ? avx512bf16::peak_bf16 : nullptr; }

}  // namespace sesame::kernels
