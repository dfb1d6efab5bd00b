// Attention at level avx2.
#include "kernels/attention_impl.h"
