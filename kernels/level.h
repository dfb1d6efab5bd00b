// Names the level that this file is compiled for, from the flags that its name got it (CMakeLists.txt).
//
// Code shared by the levels is written in headers, inside namespace sesame::kernels::SESAME_LEVEL, and each level
// includes them into a file of its own. So no symbol has code of two levels behind it, and the linker cannot put
// AVX-512 instructions where a baseline CPU runs. For the same reason such headers call no std:: function: those are
// weak symbols that carry no level in their name.
#pragma once

#if defined(__AVX512BF16__)
#define SESAME_LEVEL avx512bf16
#elif defined(__AVX512VNNI__)
#define SESAME_LEVEL avx512vnni
#elif defined(__AVX512F__)
#define SESAME_LEVEL avx512
#elif defined(__AVX2__)
#define SESAME_LEVEL avx2
#else
#define SESAME_LEVEL scalar
#endif

#define SESAME_INLINE inline __attribute__((always_inline))

// For a lambda that must be inlined: `[&](...) SESAME_INLINE_LAMBDA { ... }`.
#define SESAME_INLINE_LAMBDA __attribute__((always_inline))
