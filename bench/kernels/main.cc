// Times every kernel of kernel_list.inc at every level that the machine has, after checking its answer; one thread.
//   kernels_bench --benchmark_filter='gemm_u8s8/.*/M:128/' --benchmark_repetitions=5
// GMAC/s counts M*N*K; `peak` is the share of the level's register peak, measured just before and after the run.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdlib>

#include "bench/kernels/registry.h"

namespace {

// The peers' thread pools read the environment when they are loaded, before main: set it and start over, once.
void use_one_thread(char** argv) {
  if (std::getenv("SESAME_BENCH_ONE_THREAD") != nullptr) return;
  setenv("SESAME_BENCH_ONE_THREAD", "1", 1);
  setenv("OMP_NUM_THREADS", "1", 1);
  setenv("OPENBLAS_NUM_THREADS", "1", 1);
  execv("/proc/self/exe", argv);
}

}  // namespace

int main(int argc, char** argv) {
  use_one_thread(argv);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  sesame::bench::register_all();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
