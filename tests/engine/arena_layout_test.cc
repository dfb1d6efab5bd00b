#include "engine/arena_layout.h"

#include <random>

#include "tests/catch.h"

namespace sesame::engine {
namespace {

bool alive_together(const Buffer& a, const Buffer& b) { return a.first <= b.last && b.first <= a.last; }

std::size_t overlaps(const std::vector<Buffer>& buffers) {
  std::size_t found = 0;
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const Buffer& a = buffers[i];
      const Buffer& b = buffers[j];
      const bool apart = a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset;
      found += alive_together(a, b) && !apart;
    }
  }
  return found;
}

TEST_CASE("Buffers that are never alive together share their place") {
  std::vector<Buffer> buffers = {{100, 0, 1}, {100, 2, 3}, {100, 4, 4}};
  CHECK(lay_out(buffers) == 128);
  for (const Buffer& b : buffers) CHECK(b.offset == 0);
}

TEST_CASE("The last step that reads a buffer is part of its life") {
  std::vector<Buffer> buffers = {{64, 0, 1}, {64, 1, 2}};
  CHECK(lay_out(buffers) == 128);
  CHECK(buffers[0].offset != buffers[1].offset);
}

TEST_CASE("A gap between two live buffers is used when it is large enough") {
  // 0 and 2 live throughout with 1 between them; 3 and 4 come when 1 has gone.
  std::vector<Buffer> buffers = {{640, 0, 9}, {320, 0, 4}, {256, 0, 9}, {192, 5, 9}, {128, 5, 9}};
  CHECK(lay_out(buffers) == 640 + 320 + 256);
  CHECK(overlaps(buffers) == 0);
}

TEST_CASE("No bytes need no place, and nothing needs nothing") {
  std::vector<Buffer> none;
  CHECK(lay_out(none) == 0);
  std::vector<Buffer> buffers = {{0, 0, 3}, {0, 1, 2}};
  CHECK(lay_out(buffers) == 0);
}

TEST_CASE("Any lives and sizes: aligned, apart while alive, inside the arena") {
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<Buffer> buffers(1 + random() % 60);
    std::size_t total = 0;
    for (Buffer& b : buffers) {
      b = {random() % 5000, random() % 20, 0};
      b.last = b.first + random() % 6;
    }
    const std::size_t arena = lay_out(buffers);
    for (const Buffer& b : buffers) {
      CHECK(b.offset % 64 == 0);
      CHECK(b.offset + b.bytes <= arena);
      total += b.bytes;
    }
    CHECK(arena <= total);
    CHECK(overlaps(buffers) == 0);
  }
}

}  // namespace
}  // namespace sesame::engine
