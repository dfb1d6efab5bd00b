// Names the level that this file is compiled for, from the flags that its name got it (CMakeLists.txt).
//
// Code shared by the levels is written in headers, inside namespace sesame::kernels::SESAME_LEVEL, and each level
// includes them into a file of its own. So no symbol has code of two levels behind it, and the linker cannot put
// AVX-512 instructions where a baseline CPU runs. For the same reason such headers call no std:: function: those are
// weak symbols that carry no level in their name.
#pragma once

#if defined(__AMX_TILE__)
#define SESAME_LEVEL amx
#elif defined(__AVX512BF16__)
#define SESAME_LEVEL avx512bf16
#elif defined(__AVX512VNNI__)
#define SESAME_LEVEL avx512vnni
#elif defined(__AVX512F__)
#define SESAME_LEVEL avx512
#elif defined(__AVXVNNI__)
#define SESAME_LEVEL avxvnni
#elif defined(__AVX2__)
#define SESAME_LEVEL avx2
#else
#define SESAME_LEVEL scalar
#endif

// Lanes must stay in registers: what takes them is inlined, lambdas too (`[&](...) SESAME_INLINE_LAMBDA { ... }`). At
// level scalar they are memory anyway, and 16 copies of everything would only be slow to compile.
#if defined(__AVX2__)
#define SESAME_INLINE inline __attribute__((always_inline))
#define SESAME_INLINE_LAMBDA __attribute__((always_inline))
#else
#define SESAME_INLINE inline
#define SESAME_INLINE_LAMBDA
#endif
