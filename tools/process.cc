#include "tools/process.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace sesame::tools {
namespace {

constexpr const char* kSelf = "/proc/self/exe";
constexpr const char* kRestarted = "SESAME_RESTARTED";  // ends a loop if the environment does not survive

// An emulator such as qemu-user answers for /proc/self/exe with the program that it emulates, while exec would start
// the emulator; it does not answer for the second name.
bool runs_natively() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink(kSelf, error);
  return !error && self == std::filesystem::read_symlink("/proc/thread-self/exe", error) && !error;
}

}  // namespace

void restart_with_passive_waiting(char** argv) {
  if (std::getenv(kRestarted) != nullptr) prctl(PR_SET_NAME, "sesame");  // not "exe", as the restart named it
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv(kRestarted) != nullptr) return;
  if (!runs_natively() || access(kSelf, X_OK) != 0) return;
  if (setenv("OMP_WAIT_POLICY", "passive", 1) != 0 || setenv(kRestarted, "1", 1) != 0) return;
  execv(kSelf, argv);  // returns only when it failed; then we go on as we are
}

void die_quietly_on_closed_pipe() { std::signal(SIGPIPE, SIG_DFL); }

void fail_on_large_files() { std::signal(SIGXFSZ, SIG_IGN); }

std::string command_line() {
  std::ifstream in("/proc/self/cmdline", std::ios::binary);
  std::string line;
  for (std::string each; std::getline(in, each, '\0');) {
    const bool is_program = line.empty();
    if (is_program) each = std::filesystem::path(each).filename().string();
    const bool is_plain = !each.empty() && each.find_first_of(" \t\n'\"\\$`*?&|;<>()") == std::string::npos;
    if (!is_program) line += ' ';
    line += is_plain ? each : "'" + each + "'";
  }
  return line;
}

}  // namespace sesame::tools
