// Attention at level scalar.
#include "kernels/attention_impl.h"
