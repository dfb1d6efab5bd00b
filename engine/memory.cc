#include "engine/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>

namespace sesame::engine {

namespace {

constexpr std::size_t kLine = 64;
// A block takes memory a page at a time as it fills, so its size costs nothing.
constexpr std::size_t kBlock = 32 * kLargePage;
// Smaller weights are read in no time.
constexpr std::size_t kSmallestInBlock = 64 * 1024;

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kShareBlocks = false;  // each weight has guards of its own instead
#else
constexpr bool kShareBlocks = true;
#endif

std::size_t round_up(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

// Whole large pages, mapped rather than taken from the heap, which would keep the gaps that alignment leaves.
std::shared_ptr<void> map_large_pages(std::size_t bytes) {
  const std::size_t size = round_up(bytes, kLargePage), mapped = size + kLargePage;
  void* memory = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  std::byte* begin = static_cast<std::byte*>(memory) + (round_up(address, kLargePage) - address);
  madvise(begin, size, MADV_HUGEPAGE);
  return {begin, [memory, mapped](void*) { munmap(memory, mapped); }};
}

// The block that weights are taken from at present; it lives as long as they do.
class WeightBlock {
 public:
  std::shared_ptr<void> take(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<void> block = block_.lock();
    if (block == nullptr || used_ + bytes > kBlock) {
      block = map_large_pages(kBlock);
      block_ = block;
      used_ = 0;
    }
    void* memory = static_cast<std::byte*>(block.get()) + used_;
    used_ += bytes;
    return {std::move(block), memory};
  }

 private:
  std::mutex mutex_;
  std::weak_ptr<void> block_;
  std::size_t used_ = 0;
};

}  // namespace

std::shared_ptr<void> allocate_memory(std::size_t bytes) {
  void* memory = std::aligned_alloc(kLine, std::max(round_up(bytes, kLine), kLine));
  if (memory == nullptr) throw std::bad_alloc();
  return {memory, std::free};
}

std::shared_ptr<void> allocate_arena(std::size_t bytes) {
  return bytes < kLargePage ? allocate_memory(bytes) : map_large_pages(bytes);
}

std::shared_ptr<void> allocate_weights(std::size_t bytes) {
  bytes = round_up(bytes, kLine);
  if (!kShareBlocks || bytes < kSmallestInBlock || bytes > kBlock / 2) return allocate_arena(bytes);
  static WeightBlock block;
  return block.take(bytes);
}

}  // namespace sesame::engine
