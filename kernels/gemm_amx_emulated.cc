// Level amx_emulated of gemm_u8s8 and gemm_bf16.
#include <cassert>

#include "kernels/gemm_tiles_impl.h"
#include "kernels/tiles_emulated.h"

namespace sesame::kernels::amx_emulated {

void gemm_u8s8(const GemmU8S8& g) {
  assert(g.K <= kMaxK && g.lda >= static_cast<std::ptrdiff_t>(round_up(g.K, 4)));
  TileGemm<EmulatedTiles, Isa::amx_emulated, GemmU8S8>(g).run();
}

void gemm_bf16(const GemmBf16& g) {
  assert(g.lda >= static_cast<std::ptrdiff_t>(round_up(g.K, 2)));
  TileGemm<EmulatedTiles, Isa::amx_emulated, GemmBf16>(g).run();
}

}  // namespace sesame::kernels::amx_emulated
