// The row kernels at level avx2.
#include "kernels/quantize_impl.h"
#include "kernels/relative_impl.h"
#include "kernels/rows_impl.h"
