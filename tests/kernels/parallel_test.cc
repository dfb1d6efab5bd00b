#include "kernels/parallel.h"

#include <sys/wait.h>
#include <unistd.h>
#include <xmmintrin.h>

#include <array>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "kernels/fp_env.h"
#include "tests/catch.h"

using namespace sesame::kernels;

namespace {

// Counts how often each item ran, and what was seen to be out of order.
class Recorder : public PhaseList {
 public:
  explicit Recorder(std::vector<std::ptrdiff_t> items, int threads) : items_(std::move(items)), threads_(threads) {
    for (std::ptrdiff_t count : items_) runs_.emplace_back(static_cast<std::size_t>(count));
    done_ = std::vector<std::atomic<std::ptrdiff_t>>(items_.size());
  }
  std::ptrdiff_t items(std::size_t phase) override {
    if (phase > 0 && phase <= items_.size() && done_[phase - 1] != items_[phase - 1]) ++out_of_order_;
    return phase < items_.size() ? items_[phase] : -1;
  }
  void run(std::size_t phase, std::size_t item, int worker) override {
    if (phase > 0 && done_[phase - 1] != items_[phase - 1]) ++out_of_order_;
    if (worker < 0 || worker >= threads_) ++bad_workers_;
    ++runs_[phase][item];
    ++done_[phase];
  }
  void check() const {
    CHECK(out_of_order_ == 0);
    CHECK(bad_workers_ == 0);
    for (const auto& phase : runs_) {
      for (const auto& count : phase) REQUIRE(count == 1);
    }
  }

 private:
  std::vector<std::ptrdiff_t> items_;
  int threads_;
  std::vector<std::vector<std::atomic<int>>> runs_;
  std::vector<std::atomic<std::ptrdiff_t>> done_;
  std::atomic<int> out_of_order_{0}, bad_workers_{0};
};

// A list of phases from two functions.
template <class Items, class Run>
class Phases : public PhaseList {
 public:
  Phases(Items items, Run run) : items_(items), run_(run) {}
  std::ptrdiff_t items(std::size_t phase) override { return items_(phase); }
  void run(std::size_t phase, std::size_t item, int worker) override { run_(phase, item, worker); }

 private:
  Items items_;
  Run run_;
};

}  // namespace

TEST_CASE("every item runs once, and phases run in order") {
  for (int threads : {1, 2, 3, 4, 9}) {
    Recorder none({}, threads), one({1}, threads), some({3, 0, 1, 100, 0, 0, 7, 1000, 2}, threads);
    for (Recorder* list : {&none, &one, &some}) {
      run_phases(*list, threads);
      list->check();
    }
  }
}

TEST_CASE("many short phases") {
  for (int repeat = 0; repeat < 20; ++repeat) {
    Recorder list(std::vector<std::ptrdiff_t>(200, 3), 4);
    run_phases(list, 4);
    list.check();
  }
}

TEST_CASE("a thread that comes late to a barrier is waited for") {
  Phases list([](std::size_t phase) { return phase < 5 ? 2 : -1; },
              [](std::size_t, std::size_t item, int) {
                if (item == 1) std::this_thread::sleep_for(std::chrono::milliseconds(2));  // longer than the spin
              });
  run_phases(list, 3);
  SUCCEED();
}

TEST_CASE("a phase's items may depend on what the phase before computed") {
  for (int threads : {1, 2, 4}) {
    std::atomic<std::ptrdiff_t> found{0}, ran{0};
    Phases list([&](std::size_t phase) { return phase == 0   ? 10
                                                : phase == 1 ? found.load()
                                                             : -1; },
                [&](std::size_t phase, std::size_t item, int) {
                  if (phase == 0) found += static_cast<std::ptrdiff_t>(item);
                  if (phase == 1) ++ran;
                });
    run_phases(list, threads);
    CHECK(ran == 45);
  }
}

TEST_CASE("an exception skips the rest and reaches the caller") {
  for (int threads : {1, 2, 4}) {
    for (int repeat = 0; repeat < 50; ++repeat) {
      std::atomic<int> later{0};
      Phases list([](std::size_t phase) { return phase < 3 ? 20 : -1; },
                  [&](std::size_t phase, std::size_t item, int) {
                    if (phase == 1 && item == 7) throw std::runtime_error("item 7");
                    if (phase == 2) ++later;
                  });
      REQUIRE_THROWS_WITH(run_phases(list, threads), "item 7");
      REQUIRE(later == 0);
    }
  }
}

TEST_CASE("an exception of every item is one exception") {
  CHECK_THROWS_AS(parallel_for(100, 4, [](std::size_t, int) { throw std::logic_error("each"); }), std::logic_error);
}

TEST_CASE("parallel_for runs every item once") {
  for (int threads : {1, 2, 5}) {
    std::vector<std::atomic<int>> runs(333);
    parallel_for(runs.size(), threads, [&](std::size_t item, int) { ++runs[item]; });
    for (const auto& count : runs) REQUIRE(count == 1);
    parallel_for(0, threads, [&](std::size_t, int) { FAIL("no items"); });
  }
}

TEST_CASE("several threads take part") {
  std::atomic<int> arrived{0};
  // Each item waits for the other, so a single thread would never finish.
  parallel_for(2, 2, [&](std::size_t, int) {
    ++arrived;
    while (arrived < 2) std::this_thread::yield();
  });
  CHECK(arrived == 2);
}

TEST_CASE("a call from inside a team runs inline, as worker 0") {
  std::atomic<int> inner{0}, elsewhere{0};
  parallel_for(4, 2, [&](std::size_t, int) {
    const std::thread::id self = std::this_thread::get_id();
    parallel_for(8, 2, [&](std::size_t, int worker) {
      ++inner;
      if (worker != 0 || std::this_thread::get_id() != self) ++elsewhere;
    });
  });
  CHECK(inner == 32);
  CHECK(elsewhere == 0);
}

TEST_CASE("several callers at once") {
  std::atomic<int> runs{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i) {
    callers.emplace_back([&] {
      for (int repeat = 0; repeat < 10; ++repeat) parallel_for(10, 2, [&](std::size_t, int) { ++runs; });
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(runs == 300);
}

TEST_CASE("a forked child runs single-threaded instead of hanging") {
  std::atomic<int> before{0};
  parallel_for(10, 2, [&](std::size_t, int) { ++before; });
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    int runs = 0, others = 0;
    parallel_for(10, 2, [&](std::size_t, int worker) { ++runs, others += worker != 0; });
    _exit(runs == 10 && others == 0 ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("items run with the default MXCSR and the caller's is restored") {
  const unsigned original = _mm_getcsr();
  const unsigned hostile = 0x1F80 | 0x8000 | 0x0040 | 0x6000;  // flush to zero, denormals are zero, toward zero
  for (int threads : {1, 2}) {
    std::atomic<int> wrong{0}, arrived{0};
    _mm_setcsr(hostile);
    parallel_for(2, threads, [&](std::size_t, int) {
      ++arrived;
      while (threads == 2 && arrived < 2) std::this_thread::yield();  // so that both threads are asked
      if ((_mm_getcsr() & ~0x3Fu) != 0x1F80) ++wrong;
    });
    const unsigned after = _mm_getcsr();
    _mm_setcsr(original);
    CHECK(wrong == 0);
    CHECK((after & ~0x3Fu) == hostile);
  }
}

TEST_CASE("MXCSR is restored after an exception") {
  const unsigned original = _mm_getcsr();
  const unsigned hostile = 0x1F80 | 0x8000;
  for (int threads : {1, 2}) {
    _mm_setcsr(hostile);
    bool thrown = false;
    try {
      parallel_for(3, threads, [](std::size_t, int) { throw std::runtime_error("x"); });
    } catch (const std::runtime_error&) {
      thrown = true;
    }
    const unsigned after = _mm_getcsr();
    _mm_setcsr(original);
    CHECK(thrown);
    CHECK((after & ~0x3Fu) == hostile);
  }
}

namespace {

// One item that keeps a thread for 20 ms, most of which it does not work.
class Sleeper : public PhaseList {
 public:
  std::ptrdiff_t items(std::size_t phase) override { return phase == 0 ? 1 : -1; }
  void run(std::size_t, std::size_t, int) override { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }
};

}  // namespace

TEST_CASE("the work of a team is what its threads computed, not what they waited") {
  Sleeper sleeper;
  TeamTimes times;
  run_phases(sleeper, 2, &times);
  if (times.threads != 2) return;  // the system grants fewer
  CHECK(times.elapsed_seconds >= 0.02);
  CHECK(times.work_seconds >= 0);
  CHECK(times.work_seconds < times.elapsed_seconds / 2);
}

TEST_CASE("a thread alone works all the time") {
  Sleeper sleeper;
  TeamTimes times;
  run_phases(sleeper, 1, &times);
  CHECK(times.threads == 1);
  CHECK(times.elapsed_seconds >= 0.02);
  CHECK(times.work_seconds == times.elapsed_seconds);
}
