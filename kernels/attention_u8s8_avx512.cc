// int8 attention at level avx512.
#include "kernels/attention_u8s8_impl.h"
