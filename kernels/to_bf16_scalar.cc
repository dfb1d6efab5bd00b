// Level scalar of to_bf16_row.
#include "kernels/to_bf16_impl.h"
