// How many threads a session's passes take. A core that is busy with something else makes all threads wait for the one
// that runs there, at every barrier: such a pass takes longer than on one thread. When a team waits more than it works,
// the next passes take fewer threads; later all are tried again, and each time in vain it is later.
#pragma once

#include <algorithm>
#include <cmath>

#include "kernels/parallel.h"

namespace sesame::engine {

class ThreadChoice {
 public:
  explicit ThreadChoice(int most) : most_(most), threads_(most) {}

  // Of the next pass.
  int threads() const { return threads_; }

  // After each pass.
  void record(const kernels::TeamTimes& pass) {
    if (threads_ < most_ && --passes_left_ <= 0) threads_ = most_;
    if (pass.threads == 1) return;
    // What the threads got done, in threads: of two, less than one when they wait more than they work.
    const double gain = pass.work_seconds / pass.elapsed_seconds;
    if (!(gain * kLeastUse < pass.threads)) {  // also where nothing was measured
      in_vain_ = 0;
      if (pass.threads == most_) rest_ = kFirstRest;
      return;
    }
    if (++in_vain_ < kInVain) return;
    in_vain_ = 0;
    threads_ = std::max(1, std::min(pass.threads - 1, static_cast<int>(std::lround(gain))));
    passes_left_ = rest_;
    rest_ = std::min(2 * rest_, kLongestRest);
  }

 private:
  // One half of the time at work, and a little more: with a gain of 1 threads cost and bring nothing.
  static constexpr double kLeastUse = 1.8;
  static constexpr int kInVain = 3;  // passes in a row: one may have started the threads, another met a passing burst
  static constexpr int kFirstRest = 8, kLongestRest = 1024;

  int most_, threads_;
  int in_vain_ = 0;
  int passes_left_ = 0;
  int rest_ = kFirstRest;
};

}  // namespace sesame::engine
