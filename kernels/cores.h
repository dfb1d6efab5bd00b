// How many cores a process may use, as the files of a Linux system tell it. parallel.h's available_cores() asks the
// running system; tests ask folders of their own.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace sesame::kernels {

// Physical cores among the logical CPUs `cpus`: CPUs that name the same siblings in
// `root`/sys/devices/system/cpu/cpuN/topology/thread_siblings_list count once, a CPU without that file counts as a
// core.
int physical_cores(const std::string& root, const std::vector<int>& cpus);

// The smallest CPU quota on the way from the process's cgroup (`root`/proc/self/cgroup) up to the hierarchy's root, in
// CPUs, rounded up; none when nothing limits it. Reads cgroup v2 (cpu.max) and v1 (cpu.cfs_quota_us).
std::optional<int> cgroup_quota(const std::string& root);

}  // namespace sesame::kernels
