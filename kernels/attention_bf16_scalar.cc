// bf16 attention at level scalar.
#include "kernels/attention_bf16_impl.h"

namespace sesame::kernels {

std::size_t attention_bf16_scratch(std::size_t /*queries*/, std::size_t keys, std::size_t head_dim) {
  return AttentionBf16Layout(keys, head_dim).size * sizeof(float);
}

}  // namespace sesame::kernels
