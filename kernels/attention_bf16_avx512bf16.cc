// bf16 attention at level avx512bf16.
#include "kernels/attention_bf16_impl.h"
