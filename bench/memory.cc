#include "bench/memory.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <string_view>

namespace sesame::bench {
namespace {

// A line "VmHWM:   12345 kB" of /proc/PROCESS/status.
std::optional<double> status_mib(std::string_view field, const std::string& process = "self") {
  std::ifstream status("/proc/" + process + "/status");
  for (std::string key; status >> key;) {
    double kib = 0;
    if (key == field && status >> kib) return kib / 1024;
    status.ignore(1 << 20, '\n');
  }
  return std::nullopt;
}

}  // namespace

std::optional<double> resident_mib() { return status_mib("VmRSS:"); }

std::optional<double> peak_resident_mib() { return status_mib("VmHWM:"); }

std::optional<double> peak_resident_mib(pid_t process) { return status_mib("VmHWM:", std::to_string(process)); }

bool forget_peak() {
  malloc_trim(0);
  const int fd = ::open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool written = ::write(fd, "5", 1) == 1;  // 5: reset the peak resident set size, proc(5)
  ::close(fd);
  return written;
}

}  // namespace sesame::bench
