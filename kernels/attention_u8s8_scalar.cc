// int8 attention at level scalar.
#include "kernels/attention_u8s8_impl.h"
