#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <new>
#include <span>

#include "bench/latency.h"
#include "bench/machine.h"
#include "kernels/fp_env.h"
#include "kernels/table.h"

namespace sesame::bench {
namespace {

constexpr double kMeasureMs = 200;
constexpr double kRunMs = 1;  // short enough that many runs are undisturbed, long enough for the clock

// fn() returns the units of work that one run did; the highest rate seen, in units a second.
template <class Fn>
double best_rate(const Fn& fn) {
  double best = 0;
  for (double spent = 0; spent < kMeasureMs;) {
    double work = 0;
    const double ms = time_once([&] { work = fn(); });
    spent += std::max(ms, 1e-3);
    if (ms > 0) best = std::max(best, work / ms * 1000);
  }
  return best;
}

// Runs `peak` for about kRunMs at a time and returns the multiply-adds done.
template <class Sink>
std::function<double()> peak_run(double (*peak)(std::size_t, Sink*)) {
  const auto run = [peak](std::size_t iterations) {
    alignas(64) Sink sink[64] = {};
    return peak(iterations, sink);
  };
  std::size_t iterations = 1024;
  while (iterations < std::size_t{1} << 40 && time_once([&] { run(iterations); }) < kRunMs) iterations *= 2;
  return [run, iterations] { return run(iterations); };
}

std::function<double()> peak_run(Precision precision) {
  const kernels::Table& table = kernels::table(kernels::default_isa());
  if (precision == Precision::int8) return peak_run(table.peak_u8s8);
  return peak_run(precision == Precision::bf16 ? table.peak_bf16 : table.peak_f32);
}

// Reads every byte once; four sums, so that the loop waits for memory and not for an addition.
std::uint64_t sum_words(std::span<const std::uint64_t> words) {
  std::uint64_t sums[4] = {};
  for (std::size_t i = 0; i + 4 <= words.size(); i += 4) {
    for (std::size_t j = 0; j < 4; ++j) sums[j] += words[i + j];
  }
  return sums[0] + sums[1] + sums[2] + sums[3];
}

// The stream is timed in pieces of about kRunMs, one after the other and over again: between two visits of a piece all
// the others have passed through the caches. The memory is a mapping of its own, so that it is gone afterwards.
double memory_read_gb_per_s() {
  constexpr std::size_t kBytes = kStreamMib << 20;
  constexpr std::size_t kPiece = (std::size_t{8} << 20) / sizeof(std::uint64_t);
  void* memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  madvise(memory, kBytes, MADV_HUGEPAGE);  // or else the walk through page tables is measured too
  const std::span<std::uint64_t> words(static_cast<std::uint64_t*>(memory), kBytes / sizeof(std::uint64_t));
  std::ranges::fill(words, 1);
  volatile std::uint64_t sink = 0;
  std::size_t at = 0;
  const double rate = best_rate([&] {
    const auto piece = words.subspan(at, kPiece);
    sink = sink + sum_words(piece);
    at = (at + kPiece) % words.size();
    return static_cast<double>(piece.size_bytes());
  });
  munmap(memory, kBytes);
  return rate / 1e9;
}

// A multiplication takes three cycles on the CPUs of the last fifteen years and waits for the one before it. (Additions
// of a constant don't wait: newer CPUs fold a chain of them.)
double clock_ghz() {
  constexpr int kMultiplications = 1 << 18;
  return best_rate([] {
           std::uint64_t product = 3;
           for (int i = 0; i < kMultiplications / 4; ++i) {
             asm volatile("imul %0, %0\n imul %0, %0\n imul %0, %0\n imul %0, %0" : "+r"(product));
           }
           return 3.0 * kMultiplications;
         }) /
         1e9;
}

}  // namespace

PeakMeter::PeakMeter(Precision precision) : run_(peak_run(precision)) {}

double PeakMeter::gmacs() const {
  constexpr std::size_t kRuns = 5;
  const kernels::DefaultFpEnvironment environment;
  std::array<double, kRuns> rates;
  for (double& rate : rates) {
    double work = 0;
    const double ms = time_once([&] { work = run_(); });
    rate = work / ms / 1e6;
  }
  std::ranges::sort(rates);
  return rates[kRuns / 2];
}

Peaks measure_peaks() {
  const kernels::DefaultFpEnvironment environment;
  Peaks peaks;
  peaks.fp32 = best_rate(peak_run(Precision::fp32)) / 1e9;
  peaks.bf16 = best_rate(peak_run(Precision::bf16)) / 1e9;
  peaks.int8 = best_rate(peak_run(Precision::int8)) / 1e9;
  peaks.clock_ghz = clock_ghz();
  peaks.memory_read = memory_read_gb_per_s();
  return peaks;
}

}  // namespace sesame::bench
