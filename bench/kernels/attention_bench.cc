// attention_f32, attention_bf16 and attention_u8s8 on one head of BERT's layers: q, k and v lie in rows of a merged
// projection, 12 heads beside each other; those of attention_u8s8 are bytes, quantized before, a head's together.
#include <cmath>

#include "bench/kernels/measure.h"
#include "bench/kernels/registry.h"
#include "kernels/reference_attention.h"
#include "kernels/reference_rows.h"
#include "kernels/table.h"

namespace sesame::bench {
namespace {

using kernels::AttentionF32;
using kernels::AttentionU8S8;
using kernels::Isa;

struct Head {
  std::size_t queries, keys, head_dim;
};

constexpr Head kHeads[] = {{8, 8, 64},     {32, 32, 64},   {128, 128, 64}, {384, 384, 64}, {512, 512, 64}, {32, 32, 32},
                           {128, 128, 32}, {384, 384, 32}, {512, 512, 32}, {1, 128, 64},   {100, 100, 64}};

std::size_t u8s8_scratch(std::size_t, std::size_t keys, std::size_t head_dim) {
  return kernels::attention_u8s8_scratch(keys, head_dim);
}

// A kernel with its reference, its scratch and the peak that it is a share of.
template <class Arguments>
struct Kernel {
  const char* name;
  void (*kernels::Table::*run)(const Arguments&);
  void (*reference)(const Arguments&);
  std::size_t (*scratch)(std::size_t queries, std::size_t keys, std::size_t head_dim);
  decltype(&peak_f32) peak;
};

constexpr Kernel<AttentionF32> kF32 = {"attention_f32", &kernels::Table::attention_f32,
                                       kernels::reference::attention_f32, kernels::attention_f32_scratch, peak_f32};
constexpr Kernel<AttentionF32> kBf16 = {"attention_bf16", &kernels::Table::attention_bf16,
                                        kernels::reference::attention_bf16, kernels::attention_bf16_scratch, peak_bf16};
constexpr Kernel<AttentionU8S8> kU8S8 = {"attention_u8s8", &kernels::Table::attention_u8s8,
                                         kernels::reference::attention_u8s8, u8s8_scratch, peak_u8s8};

class Problem {
 public:
  Problem(const Head& h, std::size_t scratch_bytes)
      : head(h),
        hidden(12 * h.head_dim),
        qkv(h.keys * 3 * hidden),
        out(h.queries * hidden),
        bytes(3 * h.keys * h.head_dim),
        scale(3 * h.keys),
        scratch(scratch_bytes) {
    fill(qkv.data(), qkv.size());
  }
  void get(AttentionF32& a) { a = floats(); }
  void get(AttentionU8S8& a) {
    const AttentionF32 f = floats();
    a = {.q = quantized(f.q, 0),
         .k = quantized(f.k, 1),
         .v = quantized(f.v, 2),
         .queries = f.queries,
         .keys = f.keys,
         .head_dim = f.head_dim,
         .scale = f.scale,
         .bias = nullptr,
         .ld_bias = 0,
         .out = f.out,
         .ldo = f.ldo,
         .scratch = f.scratch};
  }

 private:
  kernels::TokenBytes quantized(const float* x, std::size_t part) {
    std::uint8_t* q = bytes.data() + part * head.keys * head.head_dim;
    float* s = scale.data() + part * head.keys;
    const auto ld = static_cast<std::ptrdiff_t>(3 * hidden), ldq = static_cast<std::ptrdiff_t>(head.head_dim);
    kernels::table(kernels::default_isa()).quantize_rows_u8(x, ld, head.keys, head.head_dim, q, ldq, s);
    return {q, ldq, s};
  }
  AttentionF32 floats() {
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
  std::vector<std::uint8_t> bytes;
  std::vector<float> scale;
  Pages scratch;
};

void skip(AttentionF32& a, std::ptrdiff_t queries) { a.q += queries * a.ldq; }
void skip(AttentionU8S8& a, std::ptrdiff_t queries) {
  a.q.bytes += queries * a.q.ld;
  a.q.scale += queries;
}

// Compares the last query with the reference: rows don't depend on each other.
template <class Arguments>
bool last_row_matches_reference(const Kernel<Arguments>& kernel, const Arguments& a) {
  const auto last = static_cast<std::ptrdiff_t>(a.queries - 1);
  std::vector<float> expected(a.head_dim);
  Arguments row = a;
  skip(row, last);
  row.queries = 1;
  row.out = expected.data();
  kernel.reference(row);
  return std::memcmp(expected.data(), a.out + last * a.ldo, a.head_dim * sizeof(float)) == 0;
}

template <class Arguments>
void run(benchmark::State& state, const Kernel<Arguments>& kernel, const Head& head, Isa isa) {
  Problem problem(head, kernel.scratch(head.queries, head.keys, head.head_dim));
  Arguments arguments;
  problem.get(arguments);
  const auto attend = kernels::listed_table(isa).*kernel.run;
  attend(arguments);
  if (!last_row_matches_reference(kernel, arguments))
    return state.SkipWithError("the answer differs from the reference's");
  // Scores and context: two products of queries * keys * head_dim.
  time_gemm(state, {head.queries, 2 * head.keys, head.head_dim}, kernel.peak, isa, [&] { attend(arguments); });
}

template <const auto& kernel>
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
