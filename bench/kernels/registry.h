// Benchmarks by the field of Table that they time. A file that times a kernel adds itself with SESAME_BENCHMARK;
// main.cc calls it once for every row of kernel_list.inc that the machine can run, and names the fields that nobody
// times.
#pragma once

#include <string_view>

#include "kernels/isa.h"

namespace sesame::bench {

// Registers Google benchmarks for one field at one level.
using RegisterKernel = void (*)(kernels::Isa isa);
// Registers the benchmarks of an engine timed beside ours.
using RegisterPeer = void (*)();

bool add_kernel(std::string_view field, RegisterKernel function);
bool add_peer(RegisterPeer function);

void register_all();

}  // namespace sesame::bench
