// The operations of lanes.h at level avx2.
#include "tests/kernels/lanes_probe_impl.h"
