// The errors that math_lanes.h states, measured against double precision through the row kernels.
#include "kernels/math_lanes.h"

#include <bit>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "kernels/reference_rows.h"
#include "kernels/table.h"
#include "tests/catch.h"
#include "tests/kernels/lanes_probe.h"
#include "tests/kernels/same_bits.h"

namespace sesame::kernels {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

using RowFunction = void (*)(const Table&, const float* x, std::size_t n, float* y);

void exp_row(const Table& t, const float* x, std::size_t n, float* y) { t.exp_row(x, n, y); }
void erf_row(const Table& t, const float* x, std::size_t n, float* y) { t.erf_row(x, n, y); }
void tanh_row(const Table& t, const float* x, std::size_t n, float* y) { t.tanh_row(x, n, y); }
void gelu_erf_row(const Table& t, const float* x, std::size_t n, float* y) {
  t.activation_row(Activation::gelu_erf, x, n, y);
}
void gelu_tanh_row(const Table& t, const float* x, std::size_t n, float* y) {
  t.activation_row(Activation::gelu_tanh, x, n, y);
}

// What activate_quantize_row_u8 makes before it quantizes.
template <Activation activation>
void short_row(const Table& t, const float* x, std::size_t n, float* y) {
  std::vector<std::uint8_t> q((n + 3) / 4 * 4);
  t.activate_quantize_row_u8(activation, x, n, y, q.data());
}

double exact_gelu_erf(double x) { return 0.5 * x * std::erfc(-x / std::numbers::sqrt2); }
double exact_gelu_tanh(double x) {
  const double z = std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x);
  return x / (1 + std::exp(-2 * z));
}

// Distance in units of the last place of a float near `exact`.
double ulp_error(float got, double exact, float) {
  if (std::abs(exact) > std::numeric_limits<float>::max()) return got == (exact > 0 ? kInf : -kInf) ? 0 : kInf;
  if (exact == 0) return got == 0 ? 0 : kInf;
  return std::abs(got - exact) / std::ldexp(1.0, std::max(std::ilogb(exact), -126) - 23);
}

// exp's results below the normal floats are 0.
double exp_error(float got, double exact, float x) {
  return exact < 0x1p-126 ? (got == 0 ? 0 : kInf) : ulp_error(got, exact, x);
}

double error_by_size_of_x(float got, double exact, float x) {
  return std::abs(got - exact) / std::max(1.0f, std::abs(x));
}

struct Function {
  const char* name;
  RowFunction row;
  double (*exact)(double);
  double (*error)(float got, double exact, float x);
  double stated;
};

const Function kFunctions[] = {
    {"exp", exp_row, [](double x) { return std::exp(x); }, exp_error, 0.98},
    {"erf", erf_row, [](double x) { return std::erf(x); }, ulp_error, 1.42},
    {"tanh", tanh_row, [](double x) { return std::tanh(x); }, ulp_error, 1.59},
    {"gelu_erf", gelu_erf_row, exact_gelu_erf, error_by_size_of_x, 6.7e-8},
    {"gelu_tanh", gelu_tanh_row, exact_gelu_tanh, error_by_size_of_x, 6.7e-8},
    {"gelu_erf for 8 bits", short_row<Activation::gelu_erf>, exact_gelu_erf, error_by_size_of_x, 9.0e-5},
    {"gelu_tanh for 8 bits", short_row<Activation::gelu_tanh>, exact_gelu_tanh, error_by_size_of_x, 9.0e-5},
};

struct Worst {
  double error = 0;
  float x = 0;
};

// The worst error over every stride-th finite float.
Worst measure(const Function& f, const Table& t, std::uint64_t stride) {
  constexpr std::size_t kBlock = 4096;
  std::vector<float> x, y(kBlock);
  Worst worst;
  const auto flush = [&] {
    f.row(t, x.data(), x.size(), y.data());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double error = f.error(y[i], f.exact(x[i]), x[i]);
      if (!(error <= worst.error)) worst = {error, x[i]};
    }
    x.clear();
  };
  for (std::uint64_t bits = 0; bits < 0x100000000; bits += stride) {
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    if (std::isfinite(value)) x.push_back(value);
    if (x.size() == kBlock) flush();
  }
  flush();
  return worst;
}

struct Exp2Level {
  Isa isa;
  LanesProbe probe;
};

std::vector<Exp2Level> exp2_levels() {
  std::vector<Exp2Level> levels = {{Isa::scalar, scalar::lanes_probe()}};
  if (supported(Isa::avx2)) levels.push_back({Isa::avx2, avx2::lanes_probe()});
  if (supported(Isa::avx512)) levels.push_back({Isa::avx512, avx512::lanes_probe()});
  return levels;
}

// exp2_coarse over every stride-th float up to 1: the worst error relative to 2^x, or 2^-64 below.
Worst measure_exp2(const LanesProbe& probe, std::uint64_t stride) {
  constexpr std::size_t kBlock = 4096;
  std::vector<float> x, y(kBlock);
  Worst worst;
  for (std::uint64_t bits = 0; bits < 0x100000000; bits += stride) {
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    if (value <= 1) x.push_back(value);
    if (x.size() < kBlock) continue;
    probe.exp2_coarse(x.data(), kBlock, y.data());
    for (std::size_t i = 0; i < kBlock; ++i) {
      const double exact = std::exp2(std::max(x[i], -64.0f));
      const double error = std::abs(y[i] - exact) / exact;
      if (!(error <= worst.error)) worst = {error, x[i]};
    }
    x.clear();
  }
  return worst;
}

// What math_lanes.h states. `report` prints the figures.
void check_stated_errors(std::uint64_t stride, bool report) {
  for (const Function& f : kFunctions) {
    const Worst worst = measure(f, table(supported_isas().back()), stride);
    CAPTURE(f.name, worst.error, worst.x);
    CHECK(worst.error <= f.stated);
    if (report) WARN(f.name << ": worst error " << worst.error << " at " << worst.x);
  }
  const Worst worst = measure_exp2(exp2_levels().back().probe, stride);
  CAPTURE(worst.error, worst.x);
  CHECK(worst.error <= 1.02e-4);
  if (report) WARN("exp2_coarse: worst error " << worst.error << " at " << worst.x);
}

}  // namespace

TEST_CASE("Functions keep their stated errors over a sample of all floats") { check_stated_errors(251, false); }

TEST_CASE("Exhaustively, functions keep their stated errors over all floats", "[.exhaustive]") {
  check_stated_errors(1, true);
}

TEST_CASE("exp2_coarse gives the reference's bits at every level over a sample of the floats up to 1") {
  std::vector<float> x;
  for (std::uint64_t bits = 0; bits < 0x100000000; bits += 65521) {
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    if (!(value > 1)) x.push_back(value);
  }
  for (float edge = -70; edge <= 1; edge += 0.0078125f) x.push_back(edge);
  while (x.size() % 16 != 0) x.push_back(0);
  std::vector<float> want(x.size()), got(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) want[i] = reference::exp2_coarse(x[i]);
  for (const Exp2Level& level : exp2_levels()) {
    INFO(name(level.isa));
    level.probe.exp2_coarse(x.data(), x.size(), got.data());
    CHECK(difference(want.data(), got.data(), x.size()) == "");
  }
  CHECK(reference::exp2_coarse(0) == 1);
}

TEST_CASE("Functions give the reference's bits at every level over a sample of all floats") {
  std::vector<float> x;
  for (std::uint64_t bits = 0; bits < 0x100000000; bits += 65521) {
    x.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  }
  for (float edge = -100; edge <= 100; edge += 0.013f) x.push_back(edge);
  const std::size_t n = x.size();
  std::vector<float> want(n), got(n);
  for (Isa isa : runnable_isas()) {
    const auto check = [&](const char* function, auto reference_function, RowFunction row) {
      INFO(function << " at " << name(isa));
      for (std::size_t i = 0; i < n; ++i) want[i] = reference_function(x[i]);
      row(table(isa), x.data(), n, got.data());
      CHECK(difference(want.data(), got.data(), n) == "");
    };
    check("exp", reference::exp, exp_row);
    check("erf", reference::erf, erf_row);
    check("tanh", reference::tanh, tanh_row);
    check(
        "gelu_erf", [](float v) { return reference::activate(Activation::gelu_erf, v); }, gelu_erf_row);
    check(
        "gelu_tanh", [](float v) { return reference::activate(Activation::gelu_tanh, v); }, gelu_tanh_row);
  }
}

TEST_CASE("Functions at the ends of their range") {
  const float below_one = std::nextafter(kExpLowest, -kInf);
  const float x[] = {0.0f,   -0.0f,      kInf,      -kInf,       kNan,
                     -kNan,  kExpLowest, below_one, kExpHighest, std::nextafter(kExpHighest, kInf),
                     1e-45f, -1e-45f};
  const std::size_t n = std::size(x);
  const auto check = [&](Isa isa, RowFunction row, std::vector<float> want) {
    INFO(name(isa));
    std::vector<float> got(n);
    row(table(isa), x, n, got.data());
    CHECK(difference(want.data(), got.data(), n) == "");
  };
  for (Isa isa : runnable_isas()) {
    const float lowest = reference::exp(kExpLowest), highest = reference::exp(kExpHighest);
    CHECK(lowest >= 0x1p-126f);
    CHECK(highest < kInf);
    check(isa, exp_row, {1, 1, kInf, 0, kNan, kNan, lowest, 0, highest, kInf, 1, 1});
    check(isa, erf_row, {0, -0.0f, 1, -1, kNan, kNan, -1, -1, 1, 1, 1e-45f, -1e-45f});
    check(isa, tanh_row, {0, -0.0f, 1, -1, kNan, kNan, -1, -1, 1, 1, 1e-45f, -1e-45f});
  }
}

TEST_CASE("erf and tanh are odd and at most 1, exp is never negative") {
  std::vector<float> x, y(1), negative;
  for (float a = 1e-6f; a < 100; a *= 1.0003f) x.push_back(a);
  for (float a : x) negative.push_back(-a);
  y.resize(x.size());
  std::vector<float> mirrored(x.size());
  for (RowFunction row : {erf_row, tanh_row}) {
    row(table(default_isa()), x.data(), x.size(), y.data());
    row(table(default_isa()), negative.data(), x.size(), mirrored.data());
    for (std::size_t i = 0; i < x.size(); ++i) {
      REQUIRE(mirrored[i] == -y[i]);
      REQUIRE(y[i] <= 1.0f);
    }
  }
}

}  // namespace sesame::kernels
