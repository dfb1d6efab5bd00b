// The row kernels on rows of BERT's sizes, in L1. GB/s counts each byte that the kernel must read or write once.
#include "bench/kernels/measure.h"
#include "bench/kernels/registry.h"
#include "kernels/reference_rows.h"
#include "kernels/table.h"

namespace sesame::bench {
namespace {

using kernels::Activation;
using kernels::Isa;
using kernels::Table;

constexpr std::size_t kRowSizes[] = {128, 384, 768, 3072};

// Operands on cache lines, as in the engine.
class Row {
 public:
  explicit Row(std::size_t size) : n(size), pages_(5 * kStride * sizeof(float)) {
    fill(x(), n);
    for (std::size_t i = 0; i < n; ++i) x()[i] *= 5.0f;
    fill(gamma(), n);
    fill(beta(), n);
  }
  float* x() const { return pages_.as<float>(); }
  float* gamma() const { return x() + kStride; }
  float* beta() const { return x() + 2 * kStride; }
  float* y() const { return x() + 3 * kStride; }
  std::uint16_t* bf16() const { return reinterpret_cast<std::uint16_t*>(y()); }
  std::uint8_t* q() const { return reinterpret_cast<std::uint8_t*>(x() + 4 * kStride); }
  bool same_answer(const Row& other) const {
    return std::memcmp(y(), other.y(), n * sizeof(float)) == 0 && std::memcmp(q(), other.q(), n) == 0 &&
           result == other.result;
  }

  std::size_t n;
  float result = 0;                                  // a sum or a scale
  static constexpr std::size_t kStride = 3072 + 16;  // rows must not share their low 12 address bits

 private:
  Pages pages_;
};

struct RowBenchmark {
  std::string_view field, variant;
  double bytes_per_element;
  void (*kernel)(const Table&, Row&);
  void (*reference)(Row&);
};

template <Activation activation>
void activate(const Table& t, Row& r) {
  t.activation_row(activation, r.x(), r.n, r.y());
}

template <Activation activation>
void activate_quantize(const Table& t, Row& r) {
  r.result = t.activate_quantize_row_u8(activation, r.x(), r.n, r.y(), r.q());
}

template <Activation activation>
void activate_quantize_reference(Row& r) {
  r.result = kernels::reference::activate_quantize_row_u8(activation, r.x(), r.n, r.y(), r.q());
}

template <float (*function)(float)>
void each(Row& r) {
  for (std::size_t i = 0; i < r.n; ++i) r.y()[i] = function(r.x()[i]);
}

template <Activation activation>
float activate_one(float x) {
  return kernels::reference::activate(activation, x);
}

constexpr float kEpsilon = 1e-12f;

constexpr RowBenchmark kBenchmarks[] = {
    {"layernorm_row", "", 16,
     [](const Table& t, Row& r) { t.layernorm_row(r.x(), r.gamma(), r.beta(), kEpsilon, r.n, r.y()); },
     [](Row& r) { kernels::reference::layernorm_row(r.x(), r.gamma(), r.beta(), kEpsilon, r.n, r.y()); }},
    {"layernorm_two_rows", "", 24,
     [](const Table& t, Row& r) {
       t.layernorm_two_rows(r.x(), Row::kStride, r.gamma(), r.beta(), kEpsilon, r.n, r.y(), Row::kStride);
     },
     [](Row& r) {
       kernels::reference::layernorm_row(r.x(), r.gamma(), r.beta(), kEpsilon, r.n, r.y());
       kernels::reference::layernorm_row(r.gamma(), r.gamma(), r.beta(), kEpsilon, r.n, r.y() + Row::kStride);
     }},
    {"softmax_row", "", 8, [](const Table& t, Row& r) { t.softmax_row(r.x(), r.n, r.y()); },
     [](Row& r) { kernels::reference::softmax_row(r.x(), r.n, r.y()); }},
    {"quantize_row_u8", "", 5, [](const Table& t, Row& r) { r.result = t.quantize_row_u8(r.x(), r.n, r.q()); },
     [](Row& r) { r.result = kernels::reference::quantize_row_u8(r.x(), r.n, r.q()); }},
    {"activate_quantize_row_u8", "/gelu_erf", 5, activate_quantize<Activation::gelu_erf>,
     activate_quantize_reference<Activation::gelu_erf>},
    {"activate_quantize_row_u8", "/gelu_tanh", 5, activate_quantize<Activation::gelu_tanh>,
     activate_quantize_reference<Activation::gelu_tanh>},
    {"to_bf16_row", "", 6, [](const Table& t, Row& r) { t.to_bf16_row(r.x(), r.n, r.bf16()); },
     [](Row& r) { kernels::table(Isa::scalar).to_bf16_row(r.x(), r.n, r.bf16()); }},
    {"smooth_quantize_row_u8", "", 9,
     [](const Table& t, Row& r) { r.result = t.smooth_quantize_row_u8(r.x(), r.gamma(), r.n, r.q()); },
     [](Row& r) { r.result = kernels::reference::smooth_quantize_row_u8(r.x(), r.gamma(), r.n, r.q()); }},
    {"static_quantize_row_u8", "", 5,
     [](const Table& t, Row& r) { r.result = t.static_quantize_row_u8(r.x(), nullptr, r.n, 0.02f, 128, r.q()); },
     [](Row& r) { r.result = kernels::reference::static_quantize_row_u8(r.x(), nullptr, r.n, 0.02f, 128, r.q()); }},
    {"activation_row", "/gelu_erf", 8, activate<Activation::gelu_erf>, each<activate_one<Activation::gelu_erf>>},
    {"activation_row", "/gelu_tanh", 8, activate<Activation::gelu_tanh>, each<activate_one<Activation::gelu_tanh>>},
    {"activation_row", "/relu", 8, activate<Activation::relu>, each<activate_one<Activation::relu>>},
    {"exp_row", "", 8, [](const Table& t, Row& r) { t.exp_row(r.x(), r.n, r.y()); }, each<kernels::reference::exp>},
    {"erf_row", "", 8, [](const Table& t, Row& r) { t.erf_row(r.x(), r.n, r.y()); }, each<kernels::reference::erf>},
    {"tanh_row", "", 8, [](const Table& t, Row& r) { t.tanh_row(r.x(), r.n, r.y()); }, each<kernels::reference::tanh>},
    {"add_row", "", 12, [](const Table& t, Row& r) { t.add_row(r.x(), r.n, r.y()); },
     [](Row& r) {
       for (std::size_t i = 0; i < r.n; ++i) r.y()[i] += r.x()[i];
     }},
    {"sum_row", "", 4, [](const Table& t, Row& r) { r.result = t.sum_row(r.x(), r.n); },
     [](Row& r) { r.result = kernels::reference::sum_row(r.x(), r.n); }},
};

bool matches_reference(const RowBenchmark& b, const Table& t, std::size_t n) {
  Row got(n), want(n);
  b.kernel(t, got);
  b.reference(want);
  return got.same_answer(want);
}

void run(benchmark::State& state, const RowBenchmark& b, Isa isa, std::size_t n) {
  const Table& t = kernels::table(isa);
  if (!matches_reference(b, t, n)) return state.SkipWithError("the answer differs from the reference's");
  Row row(n);
  for (auto _ : state) {
    b.kernel(t, row);
    benchmark::DoNotOptimize(row.result);
    benchmark::ClobberMemory();
  }
  const double elements = static_cast<double>(n) * static_cast<double>(state.iterations());
  state.counters["GB/s"] = benchmark::Counter(b.bytes_per_element * elements / 1e9, benchmark::Counter::kIsRate);
  state.counters["Gelements/s"] = benchmark::Counter(elements / 1e9, benchmark::Counter::kIsRate);
}

void register_field(std::string_view field, Isa isa) {
  for (const RowBenchmark& b : kBenchmarks) {
    if (b.field != field) continue;
    for (std::size_t n : kRowSizes) {
      const std::string name = std::string(field) + "/" + std::string(kernels::name(isa)) + std::string(b.variant) +
                               "/n:" + std::to_string(n);
      benchmark::RegisterBenchmark(name.c_str(), [&b, isa, n](benchmark::State& state) { run(state, b, isa, n); });
    }
  }
}

const bool added[] = {
    add_kernel("layernorm_row", [](Isa isa) { register_field("layernorm_row", isa); }),
    add_kernel("layernorm_two_rows", [](Isa isa) { register_field("layernorm_two_rows", isa); }),
    add_kernel("softmax_row", [](Isa isa) { register_field("softmax_row", isa); }),
    add_kernel("quantize_row_u8", [](Isa isa) { register_field("quantize_row_u8", isa); }),
    add_kernel("activate_quantize_row_u8", [](Isa isa) { register_field("activate_quantize_row_u8", isa); }),
    add_kernel("to_bf16_row", [](Isa isa) { register_field("to_bf16_row", isa); }),
    add_kernel("smooth_quantize_row_u8", [](Isa isa) { register_field("smooth_quantize_row_u8", isa); }),
    add_kernel("static_quantize_row_u8", [](Isa isa) { register_field("static_quantize_row_u8", isa); }),
    add_kernel("activation_row", [](Isa isa) { register_field("activation_row", isa); }),
    add_kernel("exp_row", [](Isa isa) { register_field("exp_row", isa); }),
    add_kernel("erf_row", [](Isa isa) { register_field("erf_row", isa); }),
    add_kernel("tanh_row", [](Isa isa) { register_field("tanh_row", isa); }),
    add_kernel("add_row", [](Isa isa) { register_field("add_row", isa); }),
    add_kernel("sum_row", [](Isa isa) { register_field("sum_row", isa); }),
};

}  // namespace
}  // namespace sesame::bench
