// Memory of this process, as Linux counts it.
#pragma once

#include <sys/types.h>

#include <optional>

namespace sesame::bench {

// Resident memory now, in MiB; absent where /proc is not there.
std::optional<double> resident_mib();

// The most resident memory since the process started or since forget_peak(), in MiB.
std::optional<double> peak_resident_mib();

// The same of another process, since it started.
std::optional<double> peak_resident_mib(pid_t process);

// Gives freed memory back to the system and lets the peak start anew from what is resident now. False where the system
// does not allow that (/proc/self/clear_refs is not writable): the peak is then that of the whole process.
bool forget_peak();

}  // namespace sesame::bench
