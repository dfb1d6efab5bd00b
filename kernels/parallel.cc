#include "kernels/parallel.h"

#include <immintrin.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <exception>

#include "kernels/fp_env.h"

#if defined(SESAME_STD_THREADS)
#include <system_error>
#include <thread>
#include <vector>
#else
#include <omp.h>
#endif

namespace sesame::kernels {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

// CPU time of the calling thread.
double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// The threads of one call of run_phases. The last one to reach the barrier prepares the next phase while the others
// still wait, so the counters of a phase are never reset under a thread that uses them.
class Team {
 public:
  Team(PhaseList& phases, bool timed) : phases_(phases), timed_(timed) {}

  // Called by each of `size` threads with its own number.
  void work(int worker, int size) {
    const DefaultFpEnvironment environment;
    const double start = timed_ ? cpu_seconds() : 0;
    const Seconds spinning = run_all(worker, size);
    if (timed_) work_seconds_.fetch_add(cpu_seconds() - start - spinning.count());
  }

  // After all threads are done.
  double work_seconds() const { return work_seconds_; }

  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  // Returns the time spent spinning.
  Seconds run_all(int worker, int size) {
    Seconds spinning{};
    for (std::size_t phase = 0; !stop_; ++phase) {
      const std::ptrdiff_t items = phases_.items(phase);
      if (items < 0) break;
      if (items == 0) continue;  // nobody has anything to wait for
      run_items(phase, items, worker);
      spinning += barrier(size);
    }
    return spinning;
  }

  void run_items(std::size_t phase, std::ptrdiff_t items, int worker) {
    while (!failed_.load(std::memory_order_relaxed)) {
      const std::ptrdiff_t item = next_.fetch_add(1, std::memory_order_relaxed);
      if (item >= items) return;
      try {
        phases_.run(phase, static_cast<std::size_t>(item), worker);
      } catch (...) {
        if (!failed_.exchange(true)) error_ = std::current_exception();
      }
    }
  }

  Seconds barrier(int size) {
    const int generation = generation_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 < size) return wait(generation);
    arrived_.store(0, std::memory_order_relaxed);
    next_.store(0, std::memory_order_relaxed);
    stop_ = failed_.load(std::memory_order_relaxed);
    generation_.store(generation + 1, std::memory_order_release);
    generation_.notify_all();
    return {};
  }

  // Spins for about as long as a small phase takes, then sleeps: a busy core should get the waiting thread's time.
  Seconds wait(int generation) const {
    const auto start = Clock::now();
    auto now = start;
    for (; now < start + std::chrono::microseconds(20); now = Clock::now()) {
      for (int i = 0; i < 8; ++i) {
        if (generation_.load(std::memory_order_acquire) != generation) return now - start;
        _mm_pause();
      }
    }
    generation_.wait(generation, std::memory_order_acquire);  // a futex
    return now - start;
  }

  PhaseList& phases_;
  const bool timed_;
  std::atomic<double> work_seconds_ = 0;
  std::exception_ptr error_;
  bool stop_ = false;  // written by the last thread at a barrier, read after it
  alignas(64) std::atomic<std::ptrdiff_t> next_{0};
  std::atomic<bool> failed_{false};
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<int> generation_{0};
};

thread_local bool inside_team = false;

// Marks its thread as a member of a team, so that a nested call runs inline.
class InsideTeam {
 public:
  InsideTeam() { inside_team = true; }
  ~InsideTeam() { inside_team = false; }
  InsideTeam(const InsideTeam&) = delete;
  InsideTeam& operator=(const InsideTeam&) = delete;
};

void run_inline(PhaseList& phases) {
  const DefaultFpEnvironment environment;
  for (std::size_t phase = 0;; ++phase) {
    const std::ptrdiff_t items = phases.items(phase);
    if (items < 0) return;
    for (std::ptrdiff_t item = 0; item < items; ++item) phases.run(phase, static_cast<std::size_t>(item), 0);
  }
}

// The OpenMP workers of a process don't survive a fork, and libgomp would wait for them forever, ours or the host's.
const pid_t loading_process = getpid();
bool forked() { return getpid() != loading_process; }

#if defined(SESAME_STD_THREADS)

bool inside_parallel_region() { return inside_team; }

// Threads wait at the gate until all have started, since some may be refused.
void run_team(PhaseList& phases, int threads, TeamTimes* times) {
  Team team(phases, times != nullptr);
  std::atomic<int> size{0};
  const auto work = [&](int worker) {
    const InsideTeam inside;
    size.wait(0);
    team.work(worker, size);
  };
  std::vector<std::thread> others;
  others.reserve(static_cast<std::size_t>(threads - 1));
  try {
    for (int worker = 1; worker < threads; ++worker) others.emplace_back(work, worker);
  } catch (const std::system_error&) {  // fewer will do
  }
  size = static_cast<int>(others.size()) + 1;
  size.notify_all();
  work(0);
  for (std::thread& other : others) other.join();
  team.rethrow();
  if (times != nullptr) *times = {size, 0, team.work_seconds()};
}

#else

bool inside_parallel_region() { return inside_team || omp_in_parallel(); }

// OpenMP may grant fewer threads than asked; inside the region all of them know how many there are.
void run_team(PhaseList& phases, int threads, TeamTimes* times) {
  Team team(phases, times != nullptr);
  int size = 1;
#pragma omp parallel num_threads(threads) default(none) shared(team, size)
  {
    const InsideTeam inside;
    if (omp_get_thread_num() == 0) size = omp_get_num_threads();
    team.work(omp_get_thread_num(), omp_get_num_threads());
  }
  team.rethrow();
  if (times != nullptr) *times = {size, 0, team.work_seconds()};
}

#endif

}  // namespace

void run_phases(PhaseList& phases, int threads, TeamTimes* times) {
  const auto start = Clock::now();
  const bool alone = threads <= 1 || inside_parallel_region() || forked();
  alone ? run_inline(phases) : run_team(phases, threads, times);
  if (times == nullptr) return;
  const double elapsed = Seconds(Clock::now() - start).count();
  if (alone) *times = {.threads = 1, .elapsed_seconds = 0, .work_seconds = elapsed};
  times->elapsed_seconds = elapsed;
}

namespace {

class SinglePhase : public PhaseList {
 public:
  SinglePhase(std::size_t items, const std::function<void(std::size_t, int)>& fn) : items_(items), fn_(fn) {}
  std::ptrdiff_t items(std::size_t phase) override { return phase == 0 ? static_cast<std::ptrdiff_t>(items_) : -1; }
  void run(std::size_t, std::size_t item, int worker) override { fn_(item, worker); }

 private:
  std::size_t items_;
  const std::function<void(std::size_t, int)>& fn_;
};

}  // namespace

void parallel_for(std::size_t items, int threads, const std::function<void(std::size_t item, int worker)>& fn) {
  SinglePhase phase(items, fn);
  run_phases(phase, threads);
}

}  // namespace sesame::kernels
