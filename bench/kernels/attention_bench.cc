// attention_f32 on one head of BERT's layers: q, k and v lie in rows of a merged projection, 12 heads beside each
// other.
#include <cmath>

#include "bench/kernels/measure.h"
#include "bench/kernels/registry.h"
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

struct Problem {
  explicit Problem(const Head& h)
      : head(h),
        hidden(12 * h.head_dim),
        qkv(h.keys * 3 * hidden),
        out(h.queries * hidden),
        scratch(kernels::attention_f32_scratch(h.queries, h.keys, h.head_dim)) {
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
bool last_row_matches_reference(const AttentionF32& a) {
  const auto last = static_cast<std::ptrdiff_t>(a.queries - 1);
  std::vector<float> expected(a.head_dim);
  AttentionF32 row = a;
  row.q += last * a.ldq;
  row.queries = 1;
  row.out = expected.data();
  kernels::reference::attention_f32(row);
  return std::memcmp(expected.data(), a.out + last * a.ldo, a.head_dim * sizeof(float)) == 0;
}

void run(benchmark::State& state, const Head& head, Isa isa) {
  Problem problem(head);
  const AttentionF32 arguments = problem.arguments();
  const auto kernel = kernels::table(isa).attention_f32;
  kernel(arguments);
  if (!last_row_matches_reference(arguments)) return state.SkipWithError("the answer differs from the reference's");
  // Scores and context: two products of queries * keys * head_dim.
  time_gemm(state, {head.queries, 2 * head.keys, head.head_dim}, peak_f32, isa, [&] { kernel(arguments); });
}

void register_attention(Isa isa) {
  for (const Head& head : kHeads) {
    if (isa == Isa::scalar && head.queries > 32) continue;  // the rest would take minutes
    const std::string name = "attention_f32/" + std::string(kernels::name(isa)) +
                             "/queries:" + std::to_string(head.queries) + "/keys:" + std::to_string(head.keys) +
                             "/head_dim:" + std::to_string(head.head_dim);
    benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) { run(state, head, isa); });
  }
}

const bool added = add_kernel("attention_f32", register_attention);

}  // namespace
}  // namespace sesame::bench
