// int8 attention at level avx2.
#include "kernels/attention_u8s8_impl.h"
