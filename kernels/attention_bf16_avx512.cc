// bf16 attention at level avx512.
#include "kernels/attention_bf16_impl.h"
