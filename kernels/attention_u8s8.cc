#include "kernels/attention_u8s8_layout.h"
#include "kernels/table.h"

namespace sesame::kernels {

std::size_t attention_u8s8_scratch(std::size_t keys, std::size_t head_dim) {
  return AttentionU8S8Layout(keys, head_dim).bytes;
}

}  // namespace sesame::kernels
