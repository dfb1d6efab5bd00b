// oneDNN's matmul with a bias, weights in the layout of its choice: fp32, bf16 to fp32, and u8 x s8 to fp32 with a
// scale per column.
#include <cmath>
#include <dnnl.hpp>
#include <optional>

#include "bench/kernels/measure.h"
#include "bench/kernels/registry.h"
#include "kernels/bf16.h"

namespace sesame::bench {
namespace {

using Memory = dnnl::memory;
using Type = dnnl::memory::data_type;
using Format = dnnl::memory::format_tag;

Memory::dim dim(std::size_t size) { return static_cast<Memory::dim>(size); }

// A matmul primitive and its packed weight.
class Matmul {
 public:
  Matmul(const Shape& s, Type a_type, Type w_type, void* w, const std::vector<float>& scales) {
    const Memory::desc a({dim(s.M), dim(s.K)}, a_type, Format::ab), c({dim(s.M), dim(s.N)}, Type::f32, Format::ab);
    const Memory::desc bias({1, dim(s.N)}, Type::f32, Format::ab);
    const Memory::desc any({dim(s.K), dim(s.N)}, w_type, Format::any), plain({dim(s.K), dim(s.N)}, w_type, Format::ab);
    dnnl::primitive_attr attributes;
    if (!scales.empty()) attributes.set_output_scales(1 << 1, scales);
    const dnnl::matmul::primitive_desc description({a, any, bias, c}, attributes, engine_);
    primitive_ = dnnl::matmul(description);
    packed_ = Memory(description.weights_desc(), engine_);
    Memory from(plain, engine_, w);
    dnnl::reorder(from, packed_).execute(stream_, from, packed_);
    stream_.wait();
    a_ = Memory(a, engine_, nullptr), bias_ = Memory(bias, engine_, nullptr), c_ = Memory(c, engine_, nullptr);
  }
  const void* weight() const { return packed_.get_data_handle(); }
  std::size_t weight_bytes() const { return packed_.get_desc().get_size(); }

  void run(void* a, const void* weight, float* bias, float* c) {
    a_.set_data_handle(a), bias_.set_data_handle(bias), c_.set_data_handle(c);
    packed_.set_data_handle(const_cast<void*>(weight));
    primitive_.execute(stream_,
                       {{DNNL_ARG_SRC, a_}, {DNNL_ARG_WEIGHTS, packed_}, {DNNL_ARG_BIAS, bias_}, {DNNL_ARG_DST, c_}});
    stream_.wait();
  }

 private:
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  dnnl::matmul primitive_;
  Memory packed_, a_, bias_, c_;
};

// c[0][n] = scale[n] * (sum + bias[n]) to the bound of K roundings.
template <class A, class W>
bool first_row_right(const Shape& s, const Buffer<A>& a, const std::vector<W>& w, const std::vector<float>& scales,
                     const std::vector<float>& bias, const Buffer<float>& c) {
  for (std::size_t n = 0; n < s.N; ++n) {
    double sum = bias[n], magnitude = std::fabs(sum);
    for (std::size_t k = 0; k < s.K; ++k) {
      const double product = static_cast<double>(a[k]) * static_cast<double>(w[k * s.N + n]);
      sum += product;
      magnitude += std::fabs(product);
    }
    const double scale = scales.empty() ? 1 : scales[n];
    const double tolerance = magnitude * std::fabs(scale) * static_cast<double>(s.K + 3) * 0x1p-24;
    if (!(std::fabs(scale * sum - c[n]) <= tolerance)) return false;
  }
  return true;
}

template <class A, class W>
void run(benchmark::State& state, const Shape& s, bool ring, Type a_type, Type w_type, bool scaled,
         double (*peak)(kernels::Isa)) {
  Buffer<A> a(s.M * s.K);
  std::vector<W> w(s.K * s.N);
  std::vector<float> bias(s.N), scales(scaled ? s.N : 0);
  Buffer<float> c(s.M * s.N);
  fill(a.data(), a.size());
  fill(w.data(), w.size());
  fill(bias.data(), bias.size());
  fill(scales.data(), scales.size());
  Matmul matmul(s, a_type, w_type, w.data(), scales);
  Weights weights(matmul.weight(), matmul.weight_bytes(), ring);
  const auto once = [&] { matmul.run(a.data(), weights.next(), bias.data(), c.data()); };
  once();
  if (!first_row_right(s, a, w, scales, bias, c)) return state.SkipWithError("the answer is wrong");
  time_gemm(state, s, peak, kernels::supported_isas().back(), once);
  if (s.M <= 4) compare_with_bound(state, weights);
}

void run_f32(benchmark::State& state, const Shape& shape, bool ring) {
  run<float, float>(state, shape, ring, Type::f32, Type::f32, false, peak_f32);
}

// Values of bf16 as oneDNN reads them and as numbers.
struct Bf16 {
  std::uint16_t bits;
  explicit operator double() const { return kernels::from_bf16(bits); }
};

void fill(Bf16* values, std::size_t n) {
  std::vector<float> x(n);
  bench::fill(x.data(), n);
  for (std::size_t i = 0; i < n; ++i) values[i].bits = kernels::to_bf16(x[i]);
}

void run_bf16(benchmark::State& state, const Shape& shape, bool ring) {
  run<Bf16, Bf16>(state, shape, ring, Type::bf16, Type::bf16, false, peak_bf16);
}

void run_u8s8(benchmark::State& state, const Shape& shape, bool ring) {
  run<std::uint8_t, std::int8_t>(state, shape, ring, Type::u8, Type::s8, true, peak_u8s8);
}

void register_onednn() {
  for (Shape shape : kLinears) {
    for (std::size_t M : kRowCounts) {
      shape.M = M;
      for (bool ring : {false, true}) {
        benchmark::RegisterBenchmark(benchmark_name("gemm_f32", "onednn", shape, ring).c_str(),
                                     [=](benchmark::State& state) { run_f32(state, shape, ring); })
            ->UseManualTime();
        benchmark::RegisterBenchmark(benchmark_name("gemm_bf16", "onednn", shape, ring).c_str(),
                                     [=](benchmark::State& state) { run_bf16(state, shape, ring); })
            ->UseManualTime();
        benchmark::RegisterBenchmark(benchmark_name("gemm_u8s8", "onednn", shape, ring).c_str(),
                                     [=](benchmark::State& state) { run_u8s8(state, shape, ring); })
            ->UseManualTime();
      }
    }
  }
}

const bool added = add_peer(register_onednn);

}  // namespace
}  // namespace sesame::bench
