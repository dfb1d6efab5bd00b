// Runs a list of phases on a team of threads: the only place with an OpenMP pragma.
//
// A phase is a number of independent items; all items of a phase are done before the next phase starts. Items are
// handed out one at a time from a counter, so a thread whose core is busy with something else simply takes fewer.
// An item's result may not depend on which thread runs it or on how many there are.
#pragma once

#include <cstddef>
#include <functional>

namespace sesame::kernels {

// What a list of phases looks like to the team. Called from several threads at once.
class PhaseList {
 public:
  virtual ~PhaseList() = default;

  // Items of phase p, or -1 when there is no phase p. Asked by every thread after all of phase p - 1 is done, so it may
  // depend on what phase p - 1 computed; every thread must get the same answer. Must not throw.
  virtual std::ptrdiff_t items(std::size_t phase) = 0;

  // Runs one item. `worker` is in [0, threads): scratch memory is indexed by it. If an item throws, the rest of the
  // list is skipped and run_phases throws the first exception on the calling thread.
  virtual void run(std::size_t phase, std::size_t item, int worker) = 0;
};

// How a team spent its time.
struct TeamTimes {
  int threads = 1;
  double elapsed_seconds = 0;
  double work_seconds = 0;  // CPU time of all threads, without what they spent waiting for each other
};

// Runs all phases on up to `threads` threads (at least 1), the calling thread being worker 0. Runs single-threaded when
// threads == 1, when called from inside a parallel region, and in a child process after fork (whose OpenMP workers did
// not survive). Every participating thread runs with the default floating-point environment (fp_env.h).
// Fills in `times` unless it is null or an exception ends the list.
void run_phases(PhaseList& phases, int threads, TeamTimes* times = nullptr);

// Calls fn(item, worker) for items [0, items) as a single phase.
void parallel_for(std::size_t items, int threads, const std::function<void(std::size_t item, int worker)>& fn);

// Physical cores that this process may use: its affinity mask and its cgroup's CPU quota (rounded up), SMT siblings
// counted once. At least 1.
int available_cores();

}  // namespace sesame::kernels
