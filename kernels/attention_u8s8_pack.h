// How attention_u8s8 packs tokens' bytes (attention_u8s8_layout.h), over lanes.h.
#pragma once

#include "kernels/attention_u8s8_layout.h"
#include "kernels/bytes_lanes.h"

namespace sesame::kernels::SESAME_LEVEL {

// `count` <= 16 rows of n bytes from x on. Rows that are no multiple of 16 bytes long are copied to `staging`, where
// 128s, which stand for 0, follow each: up to `depth` bytes may be read.
struct ByteRows {
  const std::uint8_t* row[kLanes];  // past the last row, that row again

  SESAME_INLINE ByteRows(const std::uint8_t* x, std::ptrdiff_t ld, std::size_t count, std::size_t n, std::size_t depth,
                         std::uint8_t* staging) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      row[l] = l < count ? x + static_cast<std::ptrdiff_t>(l) * ld : row[l - 1];
      if (n == depth || l >= count) continue;
      std::uint8_t* copy = staging + l * depth;
      for (std::size_t i = 0; i < depth; ++i) copy[i] = i < n ? row[l][i] : 128;
      row[l] = copy;
    }
  }
};

// Turns 16 rows of q + 128 into a panel [depth/4][16][4] of q, and sums -128 q for each row.
SESAME_INLINE void pack_panel(const ByteRows& rows, std::size_t depth, std::int8_t* panel, std::int32_t* init) {
  const float* row[kLanes];  // of four bytes an element
  for (std::size_t l = 0; l < kLanes; ++l) row[l] = reinterpret_cast<const float*>(rows.row[l]);
  // -128 (q + 128) a byte, and 128 * 128 for each of them ahead.
  Ints sum = splat(static_cast<std::int32_t>(128 * 128 * depth));
  const Ints minus_128 = splat(static_cast<std::int32_t>(0x80808080));
  for (std::size_t i = 0; i < depth / 4; i += 4) {
    Lanes column[4];
    load_transposed(row, i, column);
    for (std::size_t j = 0; j < 4; ++j) {
      sum = dot4(sum, bits(column[j]), minus_128);
      store_ints(panel + (i + j) * kPanel * 4, flip_signs(bits(column[j])));
    }
  }
  store_ints(init, sum);
}

// Four rows of q + 128 become [depth/16] panels, panel_bytes apart, of [16][4] q; those from `count` on become 0.
SESAME_INLINE void pack_four(const ByteRows& rows, std::size_t first, std::size_t count, std::size_t depth,
                             std::size_t panel_bytes, std::int8_t* packed) {
  const __m128i offset = _mm_set1_epi8(static_cast<char>(0x80));
  const auto load_row = [&](std::size_t l, std::size_t d) SESAME_INLINE_LAMBDA {
    const auto* p = reinterpret_cast<const __m128i*>(rows.row[first + l] + d);
    return l < count ? _mm_xor_si128(_mm_loadu_si128(p), offset) : _mm_setzero_si128();
  };
  for (std::size_t d = 0; d < depth; d += kPanel, packed += panel_bytes) {
    const __m128i r0 = load_row(0, d), r1 = load_row(1, d), r2 = load_row(2, d), r3 = load_row(3, d);
    const __m128i low01 = _mm_unpacklo_epi8(r0, r1), low23 = _mm_unpacklo_epi8(r2, r3);
    const __m128i high01 = _mm_unpackhi_epi8(r0, r1), high23 = _mm_unpackhi_epi8(r2, r3);
    auto* out = reinterpret_cast<__m128i*>(packed);
    _mm_storeu_si128(out, _mm_unpacklo_epi16(low01, low23));
    _mm_storeu_si128(out + 1, _mm_unpackhi_epi16(low01, low23));
    _mm_storeu_si128(out + 2, _mm_unpacklo_epi16(high01, high23));
    _mm_storeu_si128(out + 3, _mm_unpackhi_epi16(high01, high23));
  }
}

inline void pack_values(const std::uint8_t* x, std::ptrdiff_t ld, std::size_t keys, std::size_t n,
                        const AttentionU8S8Layout& l, std::uint8_t* staging, std::int8_t* packed) {
  const std::size_t panel_bytes = l.key_steps * kPanel * 4;
  for (std::size_t j = 0; j < keys; j += kLanes, x += static_cast<std::ptrdiff_t>(kLanes) * ld) {
    const std::size_t count = keys - j < kLanes ? keys - j : kLanes;
    const ByteRows rows(x, ld, count, n, l.depth, staging);
    for (std::size_t i = 0; i < count; i += 4) {
      pack_four(rows, i, count - i, l.depth, panel_bytes, packed + (j + i) * kPanel);
    }
  }
}

}  // namespace sesame::kernels::SESAME_LEVEL
