#include "tools/progress_bar.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>

namespace sesame::tools {

ProgressBar::ProgressBar() : is_terminal_(isatty(STDERR_FILENO) == 1) {}

void ProgressBar::show(const std::string& what, double share) {
  if (!is_terminal_) return;
  const auto now = std::chrono::steady_clock::now();
  if (is_drawn_ && what == what_ && now - drawn_at_ < std::chrono::milliseconds(100)) return;
  constexpr std::size_t kWidth = 20;
  const auto filled = static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * kWidth);
  std::cerr << "\r\033[K[" << std::string(filled, '#') << std::string(kWidth - filled, ' ') << "] " << what
            << std::flush;
  what_ = what;
  drawn_at_ = now;
  is_drawn_ = true;
}

void ProgressBar::clear() {
  if (is_drawn_) std::cerr << "\r\033[K" << std::flush;
  is_drawn_ = false;
}

}  // namespace sesame::tools
