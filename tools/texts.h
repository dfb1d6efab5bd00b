// The texts that a command works on: its arguments, or the lines of standard input.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace sesame::tools {

// Calls fn with batches of at most `batch` texts, in order: of `arguments`, or where there are none of standard input,
// each batch being the lines that are there when the one before is done. What fn writes to standard output is flushed
// after each batch, so a slow or interactive input gets its answers at once.
void for_each_batch(const std::vector<std::string>& arguments, std::size_t batch,
                    const std::function<void(std::span<const std::string>)>& fn);

}  // namespace sesame::tools
