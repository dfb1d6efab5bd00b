// Where buffers lie in one arena, given when each is alive.
#pragma once

#include <cstddef>
#include <vector>

namespace sesame::engine {

struct Buffer {
  std::size_t bytes = 0;
  std::size_t first = 0;  // the first and last step that need it, inclusive
  std::size_t last = 0;
  std::size_t offset = 0;  // the answer, a multiple of 64
};

// Gives every buffer an offset such that buffers alive at the same time do not overlap; returns the arena's size.
// Largest buffers first, each at the lowest place that is free for its lifetime.
std::size_t lay_out(std::vector<Buffer>& buffers);

}  // namespace sesame::engine
