#include "kernels/attention_layout.h"
#include "kernels/table.h"

namespace sesame::kernels {

std::size_t attention_f32_scratch(std::size_t /*queries*/, std::size_t keys, std::size_t head_dim) {
  return (attention_keys_size(keys, head_dim) + attention_values_size(keys, head_dim) +
          kAttentionRows * attention_score_stride(keys)) *
         sizeof(float);
}

}  // namespace sesame::kernels
