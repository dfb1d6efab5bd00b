#include "kernels/table.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>

namespace sesame::kernels {

// The kernels of each level are defined in files whose names end in that level (scalar: no suffix).
#define SESAME_KERNEL(field, level)                           \
  namespace level {                                           \
  extern std::remove_pointer_t<decltype(Table::field)> field; \
  }
#include "kernels/kernel_list.inc"
#undef SESAME_KERNEL

namespace {

Table make_table(Isa isa) {
  Table t{};
  t.isa = isa;
#define SESAME_KERNEL(field, level) \
  if (includes(isa, Isa::level)) t.field = level::field;
#include "kernels/kernel_list.inc"
#undef SESAME_KERNEL
  return t;
}

using Tables = std::array<Table, std::size(kAllIsas)>;

const Tables& listed_tables() {
  static const Tables tables = [] {
    Tables all{};
    for (Isa each : kAllIsas) all[static_cast<std::size_t>(each)] = make_table(each);
    return all;
  }();
  return tables;
}

// The shortest of a few runs: being interrupted, or a clock that still rises, makes single ones long.
double shortest_run_ns(double (*peak)(std::size_t, float*)) {
  using Clock = std::chrono::steady_clock;
  float sink = 0;
  double shortest = 1e9;
  for (int i = 0; i < 8; ++i) {
    const Clock::time_point begin = Clock::now();
    const double products = peak(400, &sink);
    const std::chrono::duration<double, std::nano> time = Clock::now() - begin;
    shortest = std::min(shortest, time.count() / products);
  }
  return shortest;
}

bool bf16_instruction_is_faster() {
  return shortest_run_ns(avx512bf16::peak_bf16) < shortest_run_ns(avx512::peak_bf16);
}

Tables chosen_tables() {
  Tables tables = listed_tables();
  if (!supported(Isa::avx512bf16) || bf16_instruction_is_faster()) return tables;
  for (Table& t : tables) {
    if (t.gemm_bf16 == avx512bf16::gemm_bf16) t.gemm_bf16 = avx512::gemm_bf16;
    if (t.attention_bf16 == avx512bf16::attention_bf16) t.attention_bf16 = avx512::attention_bf16;
    if (t.peak_bf16 == avx512bf16::peak_bf16) t.peak_bf16 = avx512::peak_bf16;
  }
  return tables;
}

}  // namespace

const Table& listed_table(Isa isa) {
  assert(supported(isa));
  return listed_tables()[static_cast<std::size_t>(isa)];
}

const Table& table(Isa isa) {
  assert(supported(isa));
  static const Tables tables = chosen_tables();
  return tables[static_cast<std::size_t>(isa)];
}

}  // namespace sesame::kernels
