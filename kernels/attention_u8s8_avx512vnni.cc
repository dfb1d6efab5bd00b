// int8 attention at level avx512vnni.
#include "kernels/attention_u8s8_impl.h"
