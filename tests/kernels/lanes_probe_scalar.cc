// The operations of lanes.h at level scalar.
#include "tests/kernels/lanes_probe_impl.h"
