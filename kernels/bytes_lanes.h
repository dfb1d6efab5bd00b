// What int8 attention needs of 16 lanes of 4 bytes, beside lanes.h:
//
//   dot4(acc, a, b)         lane l: acc + sum over i < 4 of (unsigned byte i of a) * (signed byte i of b), exact
//   interleave4(i, j, k, l) lane: the low bytes of i, j, k and l, lowest first
//   flip_signs(a)           XOR 0x80 on every byte: from q + 128 to q and back
//   load_ints(p), store_ints(p, a)    16 int32 of any alignment
#pragma once

#include "kernels/lanes.h"

namespace sesame::kernels::SESAME_LEVEL {

// As for_lanes, but all of it inlined, so that what `body` captures stays in registers; past the last four whole
// vectors every vector is a Part.
template <class Body>
SESAME_INLINE void for_lanes_inlined(std::size_t n, Body body) {
  std::size_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    body(i, Slot<0>{}, Whole{});
    body(i + kLanes, Slot<1>{}, Whole{});
    body(i + 2 * kLanes, Slot<2>{}, Whole{});
    body(i + 3 * kLanes, Slot<3>{}, Whole{});
  }
  const auto part = [&](std::size_t at) SESAME_INLINE_LAMBDA { return Part{n - at < kLanes ? n - at : kLanes}; };
  if (i < n) body(i, Slot<0>{}, part(i));
  if (i + kLanes < n) body(i + kLanes, Slot<1>{}, part(i + kLanes));
  if (i + 2 * kLanes < n) body(i + 2 * kLanes, Slot<2>{}, part(i + 2 * kLanes));
  if (i + 3 * kLanes < n) body(i + 3 * kLanes, Slot<3>{}, part(i + 3 * kLanes));
}

}  // namespace sesame::kernels::SESAME_LEVEL

#if defined(__AVX512F__)
#include "kernels/bytes_avx512.h"
#elif defined(__AVX2__)
#include "kernels/bytes_avx2.h"
#else
#include "kernels/bytes_scalar.h"
#endif
