#include "kernels/cores.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <sstream>

#include "kernels/parallel.h"

namespace sesame::kernels {
namespace {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// "quota period" in microseconds; quota is "max" (v2) or -1 (v1) when nothing limits.
std::optional<double> parse_quota(const std::string& text) {
  std::istringstream in(text);
  double quota = 0, period = 0;
  if (!(in >> quota >> period) || quota <= 0 || period <= 0) return std::nullopt;
  return quota / period;
}

std::optional<double> folder_quota(const std::string& folder, bool v2) {
  if (v2) return parse_quota(first_line(folder + "/cpu.max"));
  return parse_quota(first_line(folder + "/cpu.cfs_quota_us") + " " + first_line(folder + "/cpu.cfs_period_us"));
}

// In a container the path of /proc/self/cgroup may be the host's, which doesn't exist inside; then its missing folders
// say nothing and the walk ends at the mount point, where the container's own limit is.
std::optional<double> smallest_quota(const std::string& mount, std::string path, bool v2) {
  std::optional<double> smallest;
  for (;;) {
    const std::optional<double> quota = folder_quota(mount + path, v2);
    if (quota && (!smallest || *quota < *smallest)) smallest = quota;
    if (path.empty()) return smallest;
    path.resize(path.find_last_of('/'));
  }
}

bool has_word(const std::string& comma_separated, const std::string& word) {
  return ("," + comma_separated + ",").find("," + word + ",") != std::string::npos;
}

std::vector<int> affinity() {
  std::vector<int> cpus;
  cpu_set_t sets[16];  // 16,384 CPUs; the kernel refuses a smaller set than its own
  if (sched_getaffinity(0, sizeof sets, sets) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE * 16; ++cpu) {
    if (CPU_ISSET_S(cpu, sizeof sets, sets)) cpus.push_back(cpu);
  }
  return cpus;
}

}  // namespace

int physical_cores(const std::string& root, const std::vector<int>& cpus) {
  std::set<std::string> cores;
  for (int cpu : cpus) {
    const std::string number = std::to_string(cpu);
    const std::string siblings =
        first_line(root + "/sys/devices/system/cpu/cpu" + number + "/topology/thread_siblings_list");
    cores.insert(siblings.empty() ? "cpu" + number : siblings);
  }
  return static_cast<int>(cores.size());
}

std::optional<int> cgroup_quota(const std::string& root) {
  std::ifstream groups(root + "/proc/self/cgroup");
  std::optional<double> smallest;
  for (std::string line; std::getline(groups, line);) {  // number:controllers:/path
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string path = line.substr(second + 1);
    if (path.empty() || path[0] != '/') continue;
    if (path == "/") path.clear();
    const bool v2 = controllers.empty();
    if (!v2 && !has_word(controllers, "cpu")) continue;
    const std::string mount = root + "/sys/fs/cgroup" + (v2 ? "" : "/" + controllers);
    const std::optional<double> quota = smallest_quota(mount, path, v2);
    if (quota && (!smallest || *quota < *smallest)) smallest = quota;
  }
  if (!smallest) return std::nullopt;
  return static_cast<int>(std::min(std::ceil(*smallest), 1e6));
}

int available_cores() {
  const int cores = physical_cores("", affinity());
  return std::max(1, std::min(cores, cgroup_quota("").value_or(cores)));
}

}  // namespace sesame::kernels
