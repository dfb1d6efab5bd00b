// What int8 attention needs of 16 lanes of 4 bytes, beside lanes.h:
//
//   dot4(acc, a, b)         lane l: acc + sum over i < 4 of (unsigned byte i of a) * (signed byte i of b), exact
//   interleave4(i, j, k, l) lane: the low bytes of i, j, k and l, lowest first
//   flip_signs(a)           XOR 0x80 on every byte: from q + 128 to q and back
//   load_ints(p), store_ints(p, a)    16 int32 of any alignment
#pragma once

#include "kernels/lanes.h"

#if defined(__AVX512F__)
#include "kernels/bytes_avx512.h"
#elif defined(__AVX2__)
#include "kernels/bytes_avx2.h"
#else
#include "kernels/bytes_scalar.h"
#endif
