// bf16 attention at level avx2.
#include "kernels/attention_bf16_impl.h"
