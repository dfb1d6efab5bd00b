// int8 attention at level avxvnni.
#include "kernels/attention_u8s8_impl.h"
