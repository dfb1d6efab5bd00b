// Packing of keys and values for attention_f32 (attention_layout.h), over lanes.h.
#pragma once

#include "kernels/attention_layout.h"
#include "kernels/lanes.h"

namespace sesame::kernels::SESAME_LEVEL {

// row[l][d .. d + 4) for 16 rows l to panel[d .. d + 4)[l].
SESAME_INLINE void transpose_16x4(const float* const* row, std::size_t d, float* panel) {
  Lanes column[4];
  load_transposed(row, d, column);
  for (int i = 0; i < 4; ++i) store(panel + (d + i) * kPanel, column[i]);
}

// Keys past the last one get its values: their scores are computed and never read.
inline void pack_keys(const float* k, std::ptrdiff_t ldk, std::size_t keys, std::size_t head_dim, float* packed) {
  for (std::size_t j = 0; j < keys; j += kPanel) {
    const float* row[kPanel];
    for (std::size_t l = 0; l < kPanel; ++l) {
      row[l] = k + static_cast<std::ptrdiff_t>(j + l < keys ? j + l : keys - 1) * ldk;
    }
    float* panel = packed + j * head_dim;
    std::size_t d = 0;
    for (; d + 4 <= head_dim; d += 4) transpose_16x4(row, d, panel);
    for (; d < head_dim; ++d) {
      for (std::size_t l = 0; l < kPanel; ++l) panel[d * kPanel + l] = row[l][d];
    }
  }
}

inline void pack_values(const float* v, std::ptrdiff_t ldv, std::size_t keys, std::size_t head_dim, float* packed) {
  for (std::size_t j = 0; j < keys; ++j) {
    const float* row = v + static_cast<std::ptrdiff_t>(j) * ldv;
    float* to = packed + j * kPanel;
    std::size_t d = 0;
    for (; d + kPanel <= head_dim; d += kPanel) store(to + d * keys, load(row + d));
    if (d < head_dim) store(to + d * keys, load(row + d, head_dim - d, 0.0f));
  }
}

}  // namespace sesame::kernels::SESAME_LEVEL
