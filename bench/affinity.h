// Which CPUs an instance runs on.
#pragma once

#include <string>
#include <vector>

namespace sesame::bench {

// The CPUs that this process may use, ascending.
std::vector<int> allowed_cpus();

// Of `cpus` the first of each physical core, as `root`/sys/devices/system/cpu/cpuN/topology/thread_siblings_list tells;
// a CPU without that file is a core of its own.
std::vector<int> one_cpu_a_core(const std::string& root, const std::vector<int>& cpus);

// `cores` CPUs for each of `instances`, neighbours together, each on a physical core of its own. Throws Error when the
// machine has fewer.
std::vector<std::vector<int>> instance_cpus(const std::vector<int>& cpus, int instances, int cores);

// Of the calling thread, and of the threads that it starts from now on.
void pin_this_thread(const std::vector<int>& cpus);

}  // namespace sesame::bench
