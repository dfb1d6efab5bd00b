// gemm_f32, gemm_bf16 and gemm_u8s8 with a bias (and dequantization) on BERT's shapes.
#include "bench/kernels/measure.h"
#include "bench/kernels/registry.h"
#include "kernels/pack.h"
#include "kernels/reference_gemm.h"
#include "kernels/table.h"

namespace sesame::bench {
namespace {

using kernels::GemmBf16;
using kernels::GemmF32;
using kernels::GemmU8S8;
using kernels::Isa;

// The operands of one benchmark.
struct ProblemF32 {
  explicit ProblemF32(const Shape& s)
      : shape(s), a(s.M * s.K), b(kernels::packed_f32_size(s.K, s.N)), c(s.M * s.N), bias(s.N) {
    std::vector<float> w(s.K * s.N);
    fill(a.data(), a.size());
    fill(w.data(), w.size());
    fill(bias.data(), bias.size());
    kernels::pack_f32(w.data(), static_cast<std::ptrdiff_t>(s.N), 1, s.K, s.N, b.data());
  }
  std::size_t weight_bytes() const { return b.size() * sizeof(float); }
  GemmF32 arguments(const void* weight) {
    return {a.data(),
            static_cast<std::ptrdiff_t>(shape.K),
            static_cast<const float*>(weight),
            shape.M,
            shape.N,
            shape.K,
            {.bias = bias.data()},
            c.data(),
            static_cast<std::ptrdiff_t>(shape.N)};
  }
  Shape shape;
  Buffer<float> a, b, c;
  std::vector<float> bias;
};

struct ProblemBf16 {
  explicit ProblemBf16(const Shape& s)
      : shape(s), a(s.M * s.K), bias(s.N), b(kernels::packed_bf16_size(s.K, s.N)), c(s.M * s.N) {
    std::vector<float> x(s.M * s.K), w(s.K * s.N);
    fill(x.data(), x.size());
    fill(w.data(), w.size());
    fill(bias.data(), bias.size());
    kernels::table(kernels::default_isa()).to_bf16_row(x.data(), x.size(), a.data());  // every K here is even
    kernels::pack_bf16(w.data(), static_cast<std::ptrdiff_t>(s.N), 1, s.K, s.N, b.data());
  }
  std::size_t weight_bytes() const { return b.size() * sizeof(std::uint16_t); }
  GemmBf16 arguments(const void* weight) {
    return {a.data(),
            static_cast<std::ptrdiff_t>(shape.K),
            static_cast<const std::uint16_t*>(weight),
            shape.M,
            shape.N,
            shape.K,
            {.bias = bias.data()},
            c.data(),
            static_cast<std::ptrdiff_t>(shape.N)};
  }
  Shape shape;
  Buffer<std::uint16_t> a;
  std::vector<float> bias;
  Buffer<std::uint16_t> b;
  Buffer<float> c;
};

struct ProblemU8S8 {
  explicit ProblemU8S8(const Shape& s)
      : shape(s),
        a(s.M * s.K),
        a_scale(s.M),
        bias(s.N),
        b_scale(s.N),
        b(kernels::packed_s8_size(s.K, s.N)),
        acc_init(s.N),
        c(s.M * s.N) {
    std::vector<std::int8_t> w(s.K * s.N);
    fill(a.data(), a.size());
    fill(a_scale.data(), a_scale.size());
    fill(w.data(), w.size());
    fill(bias.data(), bias.size());
    fill(b_scale.data(), b_scale.size());
    kernels::pack_s8(w.data(), static_cast<std::ptrdiff_t>(s.N), 1, s.K, s.N, b.data());
    kernels::column_sums_s8(b.data(), s.K, s.N, acc_init.data());
    for (std::int32_t& value : acc_init) value *= -128;
  }
  std::size_t weight_bytes() const { return b.size(); }
  GemmU8S8 arguments(const void* weight) {
    return {a.data(),       static_cast<std::ptrdiff_t>(shape.K),
            a_scale.data(), static_cast<const std::int8_t*>(weight),
            b_scale.data(), acc_init.data(),
            shape.M,        shape.N,
            shape.K,        {.bias = bias.data()},
            c.data(),       static_cast<std::ptrdiff_t>(shape.N)};
  }
  Shape shape;
  Buffer<std::uint8_t> a;
  std::vector<float> a_scale, bias, b_scale;
  Buffer<std::int8_t> b;
  std::vector<std::int32_t> acc_init;
  Buffer<float> c;
};

void shift_rows(GemmF32& g, std::size_t m) { g.a += static_cast<std::ptrdiff_t>(m) * g.lda; }
void shift_rows(GemmBf16& g, std::size_t m) { g.a += static_cast<std::ptrdiff_t>(m) * g.lda; }
void shift_rows(GemmU8S8& g, std::size_t m) {
  g.a += static_cast<std::ptrdiff_t>(m) * g.lda;
  g.a_scale += m;
}

// Compares the first, a middle and the last row with the reference: rows don't depend on each other.
template <class Gemm>
bool rows_match_reference(Gemm g, void (*reference)(const Gemm&)) {
  for (std::size_t m : {std::size_t{0}, g.M / 2, g.M - 1}) {
    std::vector<float> expected(g.N);
    Gemm row = g;
    shift_rows(row, m);
    row.M = 1;
    row.c = expected.data();
    reference(row);
    if (std::memcmp(expected.data(), g.c + static_cast<std::ptrdiff_t>(m) * g.ldc, g.N * sizeof(float)) != 0)
      return false;
  }
  return true;
}

template <class Problem, class Gemm>
void run(benchmark::State& state, const Shape& shape, bool ring, Isa isa, void (*kernel)(const Gemm&),
         void (*reference)(const Gemm&), double (*peak)(Isa)) {
  Problem problem(shape);
  Weights weights(problem.b.data(), problem.weight_bytes(), ring);
  kernel(problem.arguments(weights.next()));
  if (!rows_match_reference(problem.arguments(problem.b.data()), reference)) {
    return state.SkipWithError("the answer differs from the reference's");
  }
  time_gemm(state, shape, peak, isa, [&] { kernel(problem.arguments(weights.next())); });
  if (shape.M <= 4) compare_with_bound(state, weights);
}

template <class Function>
void register_shapes(std::string_view field, Isa isa, Function function) {
  const std::size_t most_rows = isa == Isa::scalar ? 16 : 1024;  // the rest would take minutes
  for (Shape shape : kLinears) {
    for (std::size_t M : kRowCounts) {
      if (M > most_rows) continue;
      shape.M = M;
      for (bool ring : {false, true}) {
        benchmark::RegisterBenchmark(benchmark_name(field, kernels::name(isa), shape, ring).c_str(),
                                     [=](benchmark::State& state) { function(state, shape, ring); })
            ->UseManualTime();
      }
    }
  }
}

void register_gemm_f32(Isa isa) {
  register_shapes("gemm_f32", isa, [isa](benchmark::State& state, const Shape& shape, bool ring) {
    run<ProblemF32>(state, shape, ring, isa, kernels::listed_table(isa).gemm_f32, kernels::reference::gemm_f32,
                    peak_f32);
  });
}

void register_gemm_bf16(Isa isa) {
  register_shapes("gemm_bf16", isa, [isa](benchmark::State& state, const Shape& shape, bool ring) {
    const auto reference = isa == Isa::amx ? kernels::reference::gemm_bf16_tiles : kernels::reference::gemm_bf16;
    run<ProblemBf16>(state, shape, ring, isa, kernels::listed_table(isa).gemm_bf16, reference, peak_bf16);
  });
}

void register_gemm_u8s8(Isa isa) {
  register_shapes("gemm_u8s8", isa, [isa](benchmark::State& state, const Shape& shape, bool ring) {
    run<ProblemU8S8>(state, shape, ring, isa, kernels::listed_table(isa).gemm_u8s8, kernels::reference::gemm_u8s8,
                     peak_u8s8);
  });
}

void register_peak(std::string_view field, Isa isa, double (*peak)(Isa)) {
  const std::string name = std::string(field) + "/" + std::string(kernels::name(isa));
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    double best = 0;
    for (auto _ : state) best = std::max(best, peak(isa));
    state.counters["GMAC/s"] = best / 1e9;
  });
}

const bool added[] = {
    add_kernel("gemm_f32", register_gemm_f32),
    add_kernel("gemm_bf16", register_gemm_bf16),
    add_kernel("gemm_u8s8", register_gemm_u8s8),
    add_kernel("peak_f32", [](Isa isa) { register_peak("peak_f32", isa, peak_f32); }),
    add_kernel("peak_bf16", [](Isa isa) { register_peak("peak_bf16", isa, peak_bf16); }),
    add_kernel("peak_u8s8", [](Isa isa) { register_peak("peak_u8s8", isa, peak_u8s8); }),
};

}  // namespace
}  // namespace sesame::bench
