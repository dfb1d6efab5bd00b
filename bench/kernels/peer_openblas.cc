// OpenBLAS's sgemm on the same shapes. It adds no bias, which is to its advantage.
#include <cblas.h>

#include <cmath>

#include "bench/kernels/measure.h"
#include "bench/kernels/registry.h"

namespace sesame::bench {
namespace {

// c[0][n] against a plain sum, to the bound of K roundings.
bool first_row_right(const Shape& s, const Buffer<float>& a, const Buffer<float>& w, const Buffer<float>& c) {
  for (std::size_t n = 0; n < s.N; ++n) {
    double sum = 0, magnitude = 0;
    for (std::size_t k = 0; k < s.K; ++k) {
      const double product = static_cast<double>(a[k]) * w[k * s.N + n];
      sum += product;
      magnitude += std::fabs(product);
    }
    if (!(std::fabs(sum - c[n]) <= magnitude * static_cast<double>(s.K) * 0x1p-24)) return false;
  }
  return true;
}

void run(benchmark::State& state, const Shape& s, bool ring) {
  Buffer<float> a(s.M * s.K), w(s.K * s.N), c(s.M * s.N);
  fill(a.data(), a.size());
  fill(w.data(), w.size());
  Weights weights(w.data(), w.size() * sizeof(float), ring);
  const auto once = [&] {
    const int M = static_cast<int>(s.M), N = static_cast<int>(s.N), K = static_cast<int>(s.K);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, M, N, K, 1.0f, a.data(), K,
                static_cast<const float*>(weights.next()), N, 0.0f, c.data(), N);
  };
  once();
  if (!first_row_right(s, a, w, c)) return state.SkipWithError("the answer is wrong");
  time_gemm(state, s, peak_f32, kernels::supported_isas().back(), once);
}

void register_openblas() {
  openblas_set_num_threads(1);
  for (Shape shape : kLinears) {
    for (std::size_t M : kRowCounts) {
      shape.M = M;
      for (bool ring : {false, true}) {
        benchmark::RegisterBenchmark(benchmark_name("gemm_f32", "openblas", shape, ring).c_str(),
                                     [=](benchmark::State& state) { run(state, shape, ring); })
            ->UseManualTime();
      }
    }
  }
}

const bool added = add_peer(register_openblas);

}  // namespace
}  // namespace sesame::bench
