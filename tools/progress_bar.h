// A line on standard error that says how far a long command is. Silent unless that is a terminal.
#pragma once

#include <chrono>
#include <string>

namespace sesame::tools {

class ProgressBar {
 public:
  ProgressBar();
  ~ProgressBar() { clear(); }
  ProgressBar(const ProgressBar&) = delete;  // one line, one owner
  ProgressBar& operator=(const ProgressBar&) = delete;

  // share in [0, 1]. Draws at most ten times a second, so it may be called often.
  void show(const std::string& what, double share);
  void clear();

 private:
  bool is_terminal_;
  bool is_drawn_ = false;
  std::string what_;
  std::chrono::steady_clock::time_point drawn_at_;
};

}  // namespace sesame::tools
