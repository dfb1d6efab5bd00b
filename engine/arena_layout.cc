#include "engine/arena_layout.h"

#include <algorithm>
#include <numeric>

#include "kernels/pack.h"

namespace sesame::engine {

namespace {

bool alive_together(const Buffer& a, const Buffer& b) { return a.first <= b.last && b.first <= a.last; }

// `placed` is sorted by offset.
std::size_t lowest_free_offset(const Buffer& buffer, const std::vector<const Buffer*>& placed) {
  std::size_t offset = 0;
  for (const Buffer* other : placed) {
    if (!alive_together(buffer, *other)) continue;
    if (offset + buffer.bytes <= other->offset) break;
    offset = std::max(offset, other->offset + other->bytes);
  }
  return offset;
}

}  // namespace

std::size_t lay_out(std::vector<Buffer>& buffers) {
  std::vector<std::size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return buffers[a].bytes > buffers[b].bytes; });

  std::size_t end = 0;
  std::vector<const Buffer*> placed;
  for (std::size_t i : order) {
    Buffer& buffer = buffers[i];
    buffer.bytes = kernels::round_up(buffer.bytes, 64);
    buffer.offset = lowest_free_offset(buffer, placed);
    end = std::max(end, buffer.offset + buffer.bytes);
    const auto after = std::upper_bound(placed.begin(), placed.end(), buffer.offset,
                                        [](std::size_t offset, const Buffer* b) { return offset < b->offset; });
    placed.insert(after, &buffer);
  }
  return end;
}

}  // namespace sesame::engine
