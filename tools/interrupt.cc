#include "tools/interrupt.h"

#include <csignal>

namespace sesame::tools {
namespace {

volatile std::sig_atomic_t interrupted = 0;

}  // namespace

void stop_on_interrupt() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;  // a second one ends the process
  sigaction(SIGINT, &action, nullptr);
}

bool was_interrupted() { return interrupted != 0; }

}  // namespace sesame::tools
