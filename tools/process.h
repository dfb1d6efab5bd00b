// What has to be settled about this process before any work starts.
#pragma once

#include <string>

namespace sesame::tools {

// libgomp reads its wait policy when it is loaded, before main, and by default burns a few milliseconds of every core
// after each parallel region. So a process that was started without OMP_WAIT_POLICY sets it to passive and starts
// itself once more. Returns, having changed nothing else, when the policy is set or a second start is not possible.
void restart_with_passive_waiting(char** argv);

// A closed pipe ends the process quietly, also when the parent ignores SIGPIPE.
void die_quietly_on_closed_pipe();

// A file that grows beyond the process's limit ends in an error of the write that says so, not in a signal.
void fail_on_large_files();

// This process's arguments, as they would be typed, with quotes where they are needed; the program's folder left out.
std::string command_line();

}  // namespace sesame::tools
