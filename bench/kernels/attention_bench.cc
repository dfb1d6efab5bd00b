// attention_f32, attention_bf16 and attention_u8s8 on one head of BERT's layers: q, k and v lie in rows of a merged
// projection, 12 heads beside each other.
#include <cmath>

#include "bench/kernels/measure.h"
#include "bench/kernels/registry.h"
#include "kernels/reference_attention.h"
#include "kernels/reference_rows.h"
#include "kernels/table.h"

namespace sesame::bench {
namespace {

using kernels::AttentionF32;
using kernels::Isa;

struct Head {
  std::size_t queries, keys, head_dim;
};

constexpr Head kHeads[] = {{8, 8, 64},     {32, 32, 64},   {128, 128, 64}, {384, 384, 64}, {512, 512, 64}, {32, 32, 32},
                           {128, 128, 32}, {384, 384, 32}, {512, 512, 32}, {1, 128, 64},   {100, 100, 64}};

// A kernel with its reference, its scratch and the peak that it is a share of.
struct Kernel {
  const char* name;
  void (*kernels::Table::*run)(const AttentionF32&);
  void (*reference)(const AttentionF32&);
  std::size_t (*scratch)(std::size_t queries, std::size_t keys, std::size_t head_dim);
  decltype(&peak_f32) peak;
};

constexpr Kernel kF32 = {"attention_f32", &kernels::Table::attention_f32, kernels::reference::attention_f32,
                         kernels::attention_f32_scratch, peak_f32};
constexpr Kernel kBf16 = {"attention_bf16", &kernels::Table::attention_bf16, kernels::reference::attention_bf16,
                          kernels::attention_bf16_scratch, peak_bf16};
constexpr Kernel kU8S8 = {"attention_u8s8", &kernels::Table::attention_u8s8, kernels::reference::attention_u8s8,
                          kernels::attention_u8s8_scratch, peak_u8s8};

struct Problem {
  Problem(const Kernel& kernel, const Head& h)
      : head(h),
        hidden(12 * h.head_dim),
        qkv(h.keys * 3 * hidden),
        out(h.queries * hidden),
        scratch(kernel.scratch(h.queries, h.keys, h.head_dim)) {
    fill(qkv.data(), qkv.size());
  }
  AttentionF32 arguments() {
    const auto ld = static_cast<std::ptrdiff_t>(3 * hidden);
    return {.q = qkv.data(),
            .ldq = ld,
            .k = qkv.data() + hidden,
            .ldk = ld,
            .v = qkv.data() + 2 * hidden,
            .ldv = ld,
            .queries = head.queries,
            .keys = head.keys,
            .head_dim = head.head_dim,
            .scale = 1 / std::sqrt(static_cast<float>(head.head_dim)),
            .bias = nullptr,
            .ld_bias = 0,
            .out = out.data(),
            .ldo = static_cast<std::ptrdiff_t>(hidden),
            .scratch = scratch.data()};
  }
  Head head;
  std::size_t hidden;
  std::vector<float> qkv, out;
  Pages scratch;
};

// Compares the last query with the reference: rows don't depend on each other.
bool last_row_matches_reference(const Kernel& kernel, const AttentionF32& a) {
  const auto last = static_cast<std::ptrdiff_t>(a.queries - 1);
  std::vector<float> expected(a.head_dim);
  AttentionF32 row = a;
  row.q += last * a.ldq;
  row.queries = 1;
  row.out = expected.data();
  kernel.reference(row);
  return std::memcmp(expected.data(), a.out + last * a.ldo, a.head_dim * sizeof(float)) == 0;
}

void run(benchmark::State& state, const Kernel& kernel, const Head& head, Isa isa) {
  Problem problem(kernel, head);
  const AttentionF32 arguments = problem.arguments();
  const auto attend = kernels::listed_table(isa).*kernel.run;
  attend(arguments);
  if (!last_row_matches_reference(kernel, arguments))
    return state.SkipWithError("the answer differs from the reference's");
  // Scores and context: two products of queries * keys * head_dim.
  time_gemm(state, {head.queries, 2 * head.keys, head.head_dim}, kernel.peak, isa, [&] { attend(arguments); });
}

template <const Kernel& kernel>
void register_attention(Isa isa) {
  for (const Head& head : kHeads) {
    if (isa == Isa::scalar && head.queries > 32) continue;  // the rest would take minutes
    const std::string name = std::string(kernel.name) + "/" + std::string(kernels::name(isa)) +
                             "/queries:" + std::to_string(head.queries) + "/keys:" + std::to_string(head.keys) +
                             "/head_dim:" + std::to_string(head.head_dim);
    benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) { run(state, kernel, head, isa); });
  }
}

const bool added = add_kernel("attention_f32", register_attention<kF32>) &&
                   add_kernel("attention_bf16", register_attention<kBf16>) &&
                   add_kernel("attention_u8s8", register_attention<kU8S8>);

}  // namespace
}  // namespace sesame::bench
