// What the GEMM benchmarks share: shapes, weights that are or aren't in cache, and the share of the peak.
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "kernels/isa.h"

namespace sesame::bench {

struct Shape {
  std::size_t M, N, K;
};

// BERT-base's four Linears (query, key and value merged) for M rows.
inline constexpr Shape kLinears[] = {{0, 768, 768}, {0, 2304, 768}, {0, 3072, 768}, {0, 768, 3072}};
inline constexpr std::size_t kRowCounts[] = {1, 2, 4, 16, 32, 128, 1024};

// "field/engine/M:16/N:768/K:768/one weight" or ".../ring of weights".
std::string benchmark_name(std::string_view field, std::string_view engine, const Shape& shape, bool ring);

// Memory on huge pages of its own where the system has them.
void* allocate_pages(std::size_t bytes);
void free_pages(void* pages);

// A page-aligned buffer on huge pages where the system has them; zeroed.
class Pages {
 public:
  explicit Pages(std::size_t bytes);
  ~Pages();
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  std::byte* data() const { return data_; }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }

 private:
  std::byte* data_;
};

// Operands as the engine's memory has them: whole cache lines, on huge pages. A std::vector's begin 16 bytes into a
// page of 4 KiB, which costs stores that share a line 1 to 3 %.
template <class T>
struct PageAllocator {
  using value_type = T;
  PageAllocator() = default;
  template <class U>
  PageAllocator(const PageAllocator<U>&) {}
  T* allocate(std::size_t count) { return static_cast<T*>(allocate_pages(count * sizeof(T))); }
  void deallocate(T* p, std::size_t) { free_pages(p); }
  bool operator==(const PageAllocator&) const = default;
};
template <class T>
using Buffer = std::vector<T, PageAllocator<T>>;

// A weight, or copies of it that fill 64 MiB and are handed out in turn, as the layers of a model are: then a weight
// comes from L3 or memory each time.
class Weights {
 public:
  Weights(const void* weight, std::size_t bytes, bool ring);
  const void* next() {
    turn_ = turn_ + 1 == count_ ? 0 : turn_ + 1;
    return pages_.data() + turn_ * stride_;
  }

  std::size_t stride() const { return stride_; }  // bytes of one

 private:
  std::size_t stride_, count_, turn_ = 0;
  Pages pages_;
};

// Multiply-adds per second of the level's registers, from one short run.
double peak_f32(kernels::Isa isa);
double peak_u8s8(kernels::Isa isa);
double peak_bf16(kernels::Isa isa);

// An iteration is a batch of calls of `once` right after a run of peak(isa), since clocks drift. Reports the medians of
// a call's time in microseconds, of GMAC/s and of the share of the peak. The benchmark uses manual time.
void time_gemm(benchmark::State& state, const Shape& shape, double (*peak)(kernels::Isa), kernels::Isa isa,
               const std::function<void()>& once);

// After time_gemm: adds how often the least possible time the call takes, which for few rows is the larger of its
// multiply-adds at the peak and of reading the weights in the same turn, a word of every line.
void compare_with_bound(benchmark::State& state, Weights& weights);

// Numbers in [-1, 1) and small whole numbers, the same in every run.
void fill(float* values, std::size_t count);
void fill(std::uint8_t* values, std::size_t count);
void fill(std::int8_t* values, std::size_t count);

}  // namespace sesame::bench
