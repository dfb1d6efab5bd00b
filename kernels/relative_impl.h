// relative_row of table.h, written once over lanes.h. rows_<level>.cc includes this once a level.
//
// Both products are gathered, so that any positions will do. Where they follow each other the query's products could be
// loaded whole, and the keys' be transposed in blocks of 16.
#pragma once

#include "kernels/bytes_lanes.h"
#include "kernels/table.h"

namespace sesame::kernels::SESAME_LEVEL {

// A sum without its left side has the other alone: 0 + -0 would not be -0.
struct RelativeSum {
  template <class T>
  SESAME_INLINE void add(T& sum, T term) {
    sum = any ? sum + term : term;
    any = true;
  }
  bool any = false;
};

template <bool has_query, bool has_key>
SESAME_INLINE void sum_relative(const RelativeRow& r) {
  const bool has_bias = r.bias != nullptr;
  alignas(64) std::int32_t key_offset[kLanes];
  for (std::size_t l = 0; l < kLanes; ++l) {
    key_offset[l] = static_cast<std::int32_t>(static_cast<std::ptrdiff_t>(l) * r.ld_key);
  }
  const Ints offset = load_ints(key_offset);
  std::size_t j = 0;
  for (; j + kLanes <= r.n; j += kLanes) {
    const Ints place = load_ints(r.index + j);
    RelativeSum sum{has_bias};
    Lanes y = has_bias ? load(r.bias + j) : zero();
    if constexpr (has_query) sum.add(y, gather(r.query, place));
    if constexpr (has_key) sum.add(y, gather(r.key + static_cast<std::ptrdiff_t>(j) * r.ld_key, place + offset));
    store(r.y + j, y);
  }
  for (; j < r.n; ++j) {
    RelativeSum sum{has_bias};
    float y = has_bias ? r.bias[j] : 0.0f;
    if constexpr (has_query) sum.add(y, r.query[r.index[j]]);
    if constexpr (has_key) sum.add(y, r.key[static_cast<std::ptrdiff_t>(j) * r.ld_key + r.index[j]]);
    r.y[j] = y;
  }
}

void relative_row(const RelativeRow& r) {
  if (r.query && r.key) return sum_relative<true, true>(r);
  if (r.query) return sum_relative<true, false>(r);
  if (r.key) return sum_relative<false, true>(r);
  sum_relative<false, false>(r);
}

}  // namespace sesame::kernels::SESAME_LEVEL
