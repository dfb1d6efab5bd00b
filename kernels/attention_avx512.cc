// Attention at level avx512.
#include "kernels/attention_impl.h"
