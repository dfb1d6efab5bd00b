// A program that is spoken to in lines over its standard input and output.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace sesame::bench {

class ChildProcess {
 public:
  // Starts argv[0], looked for in PATH, pinned to `cpus` unless that is empty. It has a process group of its own, so
  // that a ctrl-C at the terminal does not reach it, and it ends when this process does. Throws Error when it can't be
  // started.
  ChildProcess(const std::vector<std::string>& argv, const std::vector<int>& cpus);
  ~ChildProcess();                             // closes its input, and ends it where that does not
  ChildProcess(const ChildProcess&) = delete;  // it owns the process
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t id() const { return id_; }

  // False when it has gone.
  bool write_line(const std::string& line);

  // The next line of its output, or nothing when it has gone.
  std::optional<std::string> read_line();

  // The last line that it wrote to standard error with something on it; empty when there is none.
  std::string last_error() const;

 private:
  pid_t id_ = -1;
  int socket_ = -1;
  int errors_ = -1;
  std::string buffer_;
};

}  // namespace sesame::bench
