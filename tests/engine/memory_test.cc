#include "engine/memory.h"

#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "tests/catch.h"

namespace sesame::engine {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

bool is_aligned(const std::shared_ptr<void>& memory) {
  return reinterpret_cast<std::uintptr_t>(memory.get()) % 64 == 0;
}

TEST_CASE("memory of every size is aligned and can be written") {
  for (const auto allocate : {allocate_memory, allocate_arena, allocate_weights}) {
    for (std::size_t bytes :
         {std::size_t{0}, std::size_t{1}, 65 * 1024 + std::size_t{1}, 2 * kMiB, 3 * kMiB + 1, 40 * kMiB}) {
      INFO("bytes " << bytes);
      const auto memory = allocate(bytes);
      REQUIRE(memory != nullptr);
      CHECK(is_aligned(memory));
      std::memset(memory.get(), 1, bytes);
    }
  }
}

TEST_CASE("weights that share a block keep apart and outlive each other") {
  std::vector<std::shared_ptr<void>> weights;
  for (std::size_t i = 0; i < 60; ++i) {  // more than a block holds
    weights.push_back(allocate_weights(2 * kMiB + 1));
    std::memset(weights.back().get(), static_cast<int>(i), 2 * kMiB + 1);
  }
  for (std::size_t i = 0; i < weights.size(); i += 2) weights[i].reset();
  const auto late = allocate_weights(2 * kMiB);
  std::memset(late.get(), 0xFF, 2 * kMiB);
  for (std::size_t i = 1; i < weights.size(); i += 2) {
    const auto* bytes = static_cast<const std::uint8_t*>(weights[i].get());
    CHECK(bytes[0] == i);
    CHECK(bytes[2 * kMiB] == i);
  }
}

TEST_CASE("threads take weights at the same time") {
  constexpr std::size_t kBytes = 100'000;
  std::vector<std::shared_ptr<void>> taken(64);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = t; i < taken.size(); i += 4) {
        taken[i] = allocate_weights(kBytes);
        std::memset(taken[i].get(), static_cast<int>(i), kBytes);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < taken.size(); ++i) {
    const auto* bytes = static_cast<const std::uint8_t*>(taken[i].get());
    CHECK(bytes[0] == i);
    CHECK(bytes[kBytes - 1] == i);
  }
}

}  // namespace
}  // namespace sesame::engine
