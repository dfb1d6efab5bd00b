#include "bench/kernels/measure.h"

#include <sys/mman.h>

#include <algorithm>
#include <ctime>
#include <new>
#include <random>

#include "kernels/pack.h"
#include "kernels/table.h"

namespace sesame::bench {
namespace {

constexpr std::size_t kRingBytes = std::size_t{64} << 20, kHugePage = std::size_t{2} << 20;

// Seconds that this thread has run. Everything here uses one thread, and on a shared machine the wall clock would count
// what others do.
double seconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

constexpr double kBatchSeconds = 100e-6;  // long enough that reading the clock doesn't count

// How often `once` has to run to fill a batch.
int batch_size(const std::function<void()>& once) {
  once();
  const double start = seconds();
  once();
  return static_cast<int>(kBatchSeconds / std::max(seconds() - start, 1e-9)) + 1;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

template <class Run>
double rate(Run run) {
  const double start = seconds();
  const double macs = run();
  return macs / (seconds() - start);
}

}  // namespace

std::string benchmark_name(std::string_view field, std::string_view engine, const Shape& s, bool ring) {
  return std::string(field) + "/" + std::string(engine) + "/M:" + std::to_string(s.M) + "/N:" + std::to_string(s.N) +
         "/K:" + std::to_string(s.K) + (ring ? "/ring" : "/one");
}

void* allocate_pages(std::size_t bytes) {
  bytes = kernels::round_up(bytes, kHugePage);
  void* memory = ::operator new (bytes, std::align_val_t{kHugePage});
  madvise(memory, bytes, MADV_HUGEPAGE);
  return memory;
}

void free_pages(void* pages) { ::operator delete (pages, std::align_val_t{kHugePage}); }

Pages::Pages(std::size_t bytes) : data_(static_cast<std::byte*>(allocate_pages(bytes))) {
  std::memset(data_, 0, bytes);
}

Pages::~Pages() { free_pages(data_); }

Weights::Weights(const void* weight, std::size_t bytes, bool ring)
    : stride_(kernels::round_up(bytes, 64)),
      count_(ring ? (kRingBytes + stride_ - 1) / stride_ : 1),
      pages_(stride_ * count_) {
  for (std::size_t i = 0; i < count_; ++i) std::memcpy(pages_.data() + i * stride_, weight, bytes);
}

double peak_f32(kernels::Isa isa) {
  static float sink = 0;
  const std::size_t iterations = isa == kernels::Isa::scalar ? 1000 : 20000;
  return rate([&] { return kernels::listed_table(isa).peak_f32(iterations, &sink); });
}

double peak_u8s8(kernels::Isa isa) {
  static std::int32_t sink = 0;
  return rate([&] { return kernels::listed_table(isa).peak_u8s8(20000, &sink); });
}

double peak_bf16(kernels::Isa isa) {
  static float sink = 0;
  const std::size_t iterations = isa == kernels::Isa::scalar ? 1000 : 20000;
  return rate([&] { return kernels::listed_table(isa).peak_bf16(iterations, &sink); });
}

void time_gemm(benchmark::State& state, const Shape& shape, double (*peak)(kernels::Isa), kernels::Isa isa,
               const std::function<void()>& once) {
  const int batch = batch_size(once);
  const double macs = static_cast<double>(shape.M * shape.N * shape.K) * batch;
  std::vector<double> rates, shares;
  for (auto _ : state) {
    const double peak_now = peak(isa);
    const double start = seconds();
    for (int i = 0; i < batch; ++i) once();
    const double elapsed = seconds() - start;
    state.SetIterationTime(elapsed);
    rates.push_back(macs / elapsed);
    shares.push_back(rates.back() / peak_now);
  }
  state.counters["us"] = macs / batch / median(rates) * 1e6;
  state.counters["GMAC/s"] = median(rates) / 1e9;
  state.counters["peak"] = median(shares);
}

void compare_with_bound(benchmark::State& state, Weights& weights) {
  static std::uint64_t sink = 0;
  const auto read = [&] {
    const auto* words = static_cast<const std::uint64_t*>(weights.next());
    for (std::size_t i = 0; i < weights.stride() / sizeof *words; i += 64 / sizeof *words) sink += words[i];
  };
  const int batch = batch_size(read);
  std::vector<double> times;
  for (int i = 0; i < 200; ++i) {
    const double start = seconds();
    for (int j = 0; j < batch; ++j) read();
    times.push_back((seconds() - start) / batch * 1e6);
  }
  const double us = state.counters["us"], at_peak = us * state.counters["peak"];
  state.counters["bound"] = us / std::max(at_peak, median(times));
}

void fill(float* values, std::size_t count) {
  std::minstd_rand random;
  std::uniform_real_distribution<float> distribution(-1, 1);
  for (std::size_t i = 0; i < count; ++i) values[i] = distribution(random);
}

void fill(std::uint8_t* values, std::size_t count) {
  std::minstd_rand random;
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<std::uint8_t>(random() >> 8);
}

void fill(std::int8_t* values, std::size_t count) { fill(reinterpret_cast<std::uint8_t*>(values), count); }

}  // namespace sesame::bench
