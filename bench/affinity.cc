#include "bench/affinity.h"

#include <sched.h>

#include <fstream>
#include <set>

#include "sesame/error.h"

namespace sesame::bench {

std::vector<int> allowed_cpus() {
  std::vector<int> cpus;
  cpu_set_t sets[16];  // 16,384 CPUs; the kernel refuses a smaller set than its own
  if (sched_getaffinity(0, sizeof sets, sets) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE * 16; ++cpu) {
    if (CPU_ISSET_S(static_cast<std::size_t>(cpu), sizeof sets, sets)) cpus.push_back(cpu);
  }
  return cpus;
}

std::vector<int> one_cpu_a_core(const std::string& root, const std::vector<int>& cpus) {
  std::set<std::string> seen;
  std::vector<int> first;
  for (const int cpu : cpus) {
    const std::string name = "cpu" + std::to_string(cpu);
    std::ifstream file(root + "/sys/devices/system/cpu/" + name + "/topology/thread_siblings_list");
    std::string siblings;
    std::getline(file, siblings);
    if (seen.insert(siblings.empty() ? name : siblings).second) first.push_back(cpu);
  }
  return first;
}

std::vector<std::vector<int>> instance_cpus(const std::vector<int>& cpus, int instances, int cores) {
  if (static_cast<std::size_t>(instances) * static_cast<std::size_t>(cores) > cpus.size()) {
    throw Error("--instances " + std::to_string(instances) + " --cores " + std::to_string(cores) +
                ": expected at most " + std::to_string(cpus.size()) + " cores together, found " +
                std::to_string(instances * cores));
  }
  std::vector<std::vector<int>> lists;
  for (int i = 0; i < instances; ++i) {
    const auto begin = cpus.begin() + static_cast<std::ptrdiff_t>(i) * cores;
    lists.emplace_back(begin, begin + cores);
  }
  return lists;
}

void pin_this_thread(const std::vector<int>& cpus) {
  cpu_set_t sets[16];
  CPU_ZERO_S(sizeof sets, sets);
  for (const int cpu : cpus) CPU_SET_S(static_cast<std::size_t>(cpu), sizeof sets, sets);
  if (sched_setaffinity(0, sizeof sets, sets) != 0) throw Error("a thread could not be pinned to its CPUs");
}

}  // namespace sesame::bench
