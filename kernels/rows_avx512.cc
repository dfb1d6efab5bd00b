// The row kernels at level avx512.
#include "kernels/affine_impl.h"
#include "kernels/quantize_impl.h"
#include "kernels/quantize_rows_impl.h"
#include "kernels/relative_impl.h"
#include "kernels/rows_impl.h"
#include "kernels/steps_impl.h"
