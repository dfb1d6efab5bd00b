#include "bench/engines/child_process.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "sesame/error.h"

namespace sesame::bench {
namespace {

constexpr int kCannotStart = 127;

// A file without a name, to be read from the start by whoever wants to know what was said.
int open_unnamed() {
  FILE* const file = std::tmpfile();
  if (file == nullptr) return -1;
  const int fd = fcntl(fileno(file), F_DUPFD_CLOEXEC, 3);
  std::fclose(file);
  return fd;
}

// Only what is safe between fork and exec.
[[noreturn]] void become(char* const* argv, const cpu_set_t* cpus, int socket, int errors) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGPIPE, SIG_DFL);
  if (cpus != nullptr && sched_setaffinity(0, sizeof *cpus, cpus) != 0) _exit(kCannotStart);
  if (dup2(socket, STDIN_FILENO) < 0 || dup2(socket, STDOUT_FILENO) < 0) _exit(kCannotStart);
  if (errors >= 0) dup2(errors, STDERR_FILENO);
  execvp(argv[0], argv);
  _exit(kCannotStart);
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& argv, const std::vector<int>& cpus) {
  std::vector<char*> pointers;
  for (const std::string& each : argv) pointers.push_back(const_cast<char*>(each.c_str()));
  pointers.push_back(nullptr);
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) CPU_SET(static_cast<std::size_t>(cpu), &set);

  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw Error(argv[0] + ": could not be started");
  errors_ = open_unnamed();
  id_ = fork();
  if (id_ == 0) become(pointers.data(), cpus.empty() ? nullptr : &set, ends[1], errors_);
  close(ends[1]);
  socket_ = ends[0];
  if (id_ < 0) {
    close(socket_);
    close(errors_);
    throw Error(argv[0] + ": could not be started");
  }
}

ChildProcess::~ChildProcess() {
  close(socket_);
  if (errors_ >= 0) close(errors_);
  for (int waited_ms = 0; waited_ms < 200; ++waited_ms) {
    if (waitpid(id_, nullptr, WNOHANG) != 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  kill(id_, SIGKILL);
  waitpid(id_, nullptr, 0);
}

bool ChildProcess::write_line(const std::string& line) {
  const std::string text = line + '\n';
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t sent = send(socket_, text.data() + done, text.size() - done, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    done += static_cast<std::size_t>(sent);
  }
  return true;
}

std::optional<std::string> ChildProcess::read_line() {
  for (std::size_t searched = 0;;) {
    const std::size_t end = buffer_.find('\n', searched);
    if (end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    searched = buffer_.size();
    char chunk[1 << 16];
    const ssize_t received = recv(socket_, chunk, sizeof chunk, 0);
    if (received < 0 && errno == EINTR) continue;
    if (received <= 0) return std::nullopt;
    buffer_.append(chunk, static_cast<std::size_t>(received));
  }
}

std::string ChildProcess::last_error() const {
  std::string text;
  char chunk[4096];
  for (off_t at = 0;;) {
    const ssize_t got = pread(errors_, chunk, sizeof chunk, at);
    if (got <= 0) break;
    text.append(chunk, static_cast<std::size_t>(got));
    at += got;
  }
  const std::size_t end = text.find_last_not_of(" \t\r\n");
  if (end == std::string::npos) return {};
  const std::size_t begin = text.rfind('\n', end);
  return text.substr(begin == std::string::npos ? 0 : begin + 1, end - begin);
}

}  // namespace sesame::bench
