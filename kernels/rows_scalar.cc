// The row kernels at level scalar.
#include "kernels/quantize_impl.h"
#include "kernels/relative_impl.h"
#include "kernels/rows_impl.h"
