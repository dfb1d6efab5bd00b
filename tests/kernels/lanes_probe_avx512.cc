// The operations of lanes.h at level avx512.
#include "tests/kernels/lanes_probe_impl.h"
