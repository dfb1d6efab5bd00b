// Row kernels of every level against their reference, bit for bit, and the reference against double precision.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "kernels/fp_env.h"
#include "kernels/reference_rows.h"
#include "kernels/table.h"
#include "tests/catch.h"
#include "tests/kernels/fenced.h"
#include "tests/kernels/guarded.h"
#include "tests/kernels/hostile_host.h"
#include "tests/kernels/row_values.h"
#include "tests/kernels/same_bits.h"

namespace sesame::kernels {
namespace {

constexpr Activation kActivations[] = {Activation::none, Activation::gelu_erf, Activation::gelu_tanh, Activation::relu,
                                       Activation::tanh};
constexpr float kEpsilon = 1e-12f;

// A kernel that makes n floats of n floats, beside its reference.
struct RowKernel {
  std::string name;
  std::function<void(const Table&, const float* x, std::size_t n, float* y)> kernel;
  std::function<void(const float* x, std::size_t n, float* y)> reference;
};

std::function<void(const float*, std::size_t, float*)> each(float (*function)(float)) {
  return [function](const float* x, std::size_t n, float* y) { std::transform(x, x + n, y, function); };
}

RowKernel layernorm(std::size_t n) {
  const auto gamma = std::make_shared<Fenced<float>>(normal_row(n, 91)),
             beta = std::make_shared<Fenced<float>>(normal_row(n, 92));
  return {"layernorm_row",
          [=](const Table& t, const float* x, std::size_t size, float* y) {
            t.layernorm_row(x, gamma->data(), beta->data(), kEpsilon, size, y);
          },
          [=](const float* x, std::size_t size, float* y) {
            reference::layernorm_row(x, gamma->data(), beta->data(), kEpsilon, size, y);
          }};
}

std::vector<RowKernel> row_kernels(std::size_t n) {
  std::vector<RowKernel> all = {
      layernorm(n),
      {"softmax_row", [](const Table& t, const float* x, std::size_t size, float* y) { t.softmax_row(x, size, y); },
       reference::softmax_row},
      {"exp_row", [](const Table& t, const float* x, std::size_t size, float* y) { t.exp_row(x, size, y); },
       each(reference::exp)},
      {"erf_row", [](const Table& t, const float* x, std::size_t size, float* y) { t.erf_row(x, size, y); },
       each(reference::erf)},
      {"tanh_row", [](const Table& t, const float* x, std::size_t size, float* y) { t.tanh_row(x, size, y); },
       each(reference::tanh)}};
  for (Activation activation : kActivations) {
    all.push_back(
        {"activation_row " + std::to_string(static_cast<int>(activation)),
         [=](const Table& t, const float* x, std::size_t size, float* y) { t.activation_row(activation, x, size, y); },
         [=](const float* x, std::size_t size, float* y) {
           std::transform(x, x + size, y, [=](float v) { return reference::activate(activation, v); });
         }});
  }
  return all;
}

void check_row_kernel(const RowKernel& k, const Table& t, const NamedRow& row) {
  const std::size_t n = row.x.size();
  INFO(k.name << " at " << name(t.isa) << ", n " << n << ", " << row.name);
  std::vector<float> want(n);
  k.reference(row.x.data(), n, want.data());
  Fenced<float> x(row.x);
  Guarded<float> y(n, 99.0f);
  k.kernel(t, x.data(), n, y.data());
  CHECK(difference(want.data(), y.data(), n) == "");
  CHECK(y.intact());
  k.kernel(t, x.data(), n, x.data());
  CHECK(difference(want.data(), x.data(), n) == "");  // in place
}

// A quantizing kernel against its reference: same scale, same bytes, nothing beyond them.
void check_quantize(const std::string& what, const NamedRow& row,
                    const std::function<float(const float*, std::uint8_t*)>& kernel,
                    const std::function<float(const float*, std::uint8_t*)>& reference) {
  const std::size_t padded = (row.x.size() + 3) / 4 * 4;
  INFO(what << ", n " << row.x.size() << ", " << row.name);
  Guarded<std::uint8_t> want(padded), got(padded);
  const float want_scale = reference(row.x.data(), want.data());
  Fenced<float> x(row.x);
  const float got_scale = kernel(x.data(), got.data());
  CHECK(same_bits(want_scale, got_scale));
  CHECK(want.same_bytes(got));
  CHECK(got.intact());
}

void check_quantizing_kernels(const Table& t, const NamedRow& row) {
  const std::size_t n = row.x.size();
  check_quantize(
      "quantize_row_u8 at " + std::string(name(t.isa)), row,
      [&](const float* x, std::uint8_t* q) { return t.quantize_row_u8(x, n, q); },
      [&](const float* x, std::uint8_t* q) { return reference::quantize_row_u8(x, n, q); });
  for (Activation activation : kActivations) {
    Guarded<float> y(n), want_y(n);
    check_quantize(
        "activate_quantize_row_u8 " + std::to_string(static_cast<int>(activation)) + " at " + std::string(name(t.isa)),
        row, [&](const float* x, std::uint8_t* q) { return t.activate_quantize_row_u8(activation, x, n, y.data(), q); },
        [&](const float* x, std::uint8_t* q) {
          return reference::activate_quantize_row_u8(activation, x, n, want_y.data(), q);
        });
    CHECK(difference(want_y.data(), y.data(), n) == "");
    CHECK(y.intact());
  }
  Fenced<float> multiplier(normal_row(n, 55));
  check_quantize(
      "smooth_quantize_row_u8 at " + std::string(name(t.isa)), row,
      [&](const float* x, std::uint8_t* q) { return t.smooth_quantize_row_u8(x, multiplier.data(), n, q); },
      [&](const float* x, std::uint8_t* q) { return reference::smooth_quantize_row_u8(x, multiplier.data(), n, q); });
  struct Grid {
    float scale;
    std::uint8_t zero_point;
  };
  for (const auto& [scale, zero] : {Grid{0.02f, 128}, Grid{0.0078f, 0}, Grid{0x1p-126f, 255}, Grid{3e38f, 7}}) {
    for (const float* m : {static_cast<const float*>(nullptr), static_cast<const float*>(multiplier.data())}) {
      check_quantize(
          "static_quantize_row_u8 at " + std::string(name(t.isa)), row,
          [&, s = scale, z = zero](const float* x, std::uint8_t* q) {
            return t.static_quantize_row_u8(x, m, n, s, z, q);
          },
          [&, s = scale, z = zero](const float* x, std::uint8_t* q) {
            return reference::static_quantize_row_u8(x, m, n, s, z, q);
          });
    }
  }
}

void check_add_and_sum(const Table& t, const NamedRow& row) {
  const std::size_t n = row.x.size();
  INFO("add_row, sum_row at " << name(t.isa) << ", n " << n << ", " << row.name);
  Fenced<float> x(row.x);
  CHECK(same_bits(reference::sum_row(row.x.data(), n), t.sum_row(x.data(), n)));
  const std::vector<float> before = normal_row(n, 77);
  std::vector<float> want(n);
  for (std::size_t i = 0; i < n; ++i) want[i] = before[i] + row.x[i];
  Guarded<float> y(n);
  std::copy_n(before.data(), n, y.data());
  t.add_row(x.data(), n, y.data());
  CHECK(difference(want.data(), y.data(), n) == "");
  CHECK(y.intact());
}

}  // namespace

TEST_CASE("Row kernels give the reference's bits at every level, in their bounds and in place") {
  for (std::size_t n : row_sizes()) {
    const std::vector<NamedRow> rows = rows_of(n);
    for (const RowKernel& kernel : row_kernels(n)) {
      for (Isa isa : runnable_isas()) {
        for (const NamedRow& row : rows) check_row_kernel(kernel, table(isa), row);
      }
    }
  }
}

TEST_CASE("quantize_row_u8, add_row and sum_row give the reference's bits at every level") {
  for (std::size_t n : row_sizes()) {
    for (const NamedRow& row : rows_of(n)) {
      for (Isa isa : runnable_isas()) {
        check_quantizing_kernels(table(isa), row);
        check_add_and_sum(table(isa), row);
      }
    }
  }
}

TEST_CASE("quantize_rows_u8 gives quantize_row_u8's bytes and scales at every level, in its bounds") {
  constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
  const auto check = [](std::vector<float> values, std::size_t rows, std::size_t n, std::size_t gap) {
    const std::size_t ld = n + gap, bytes = (n + 3) / 4 * 4, ldq = bytes + gap;
    values.resize((rows - 1) * ld + n);
    Guarded<std::uint8_t> want((rows - 1) * ldq + bytes, 77);
    std::vector<float> scale(rows);
    for (std::size_t m = 0; m < rows; ++m) {
      scale[m] = reference::quantize_row_u8(values.data() + m * ld, n, want.data() + m * ldq);
    }
    Fenced<float> x(values);
    for (Isa isa : runnable_isas()) {
      INFO(name(isa) << ": " << rows << " rows of " << n << ", gap " << gap);
      Guarded<std::uint8_t> got(want.size(), 77);
      Guarded<float> got_scale(rows);
      table(isa).quantize_rows_u8(x.data(), static_cast<std::ptrdiff_t>(ld), rows, n, got.data(),
                                  static_cast<std::ptrdiff_t>(ldq), got_scale.data());
      CHECK(difference(scale.data(), got_scale.data(), rows) == "");
      for (std::size_t m = 0; m < rows; ++m) {  // bytes of such rows mean nothing
        if (std::isnan(scale[m])) std::copy_n(want.data() + m * ldq, bytes, got.data() + m * ldq);
      }
      CHECK(want.same_bytes(got));
      CHECK((got.intact() && got_scale.intact()));
    }
  };
  for (std::size_t n : {1, 2, 3, 4, 11, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 80, 96, 128, 130}) {
    for (std::size_t rows : {1, 2, 7, 15, 16, 17, 31, 32, 33, 50}) {
      for (std::size_t gap : {0, 5}) check(normal_row(rows * (n + gap), static_cast<unsigned>(n)), rows, n, gap);
    }
  }
  for (std::size_t n : {11, 32, 64}) {
    std::vector<float> odd = normal_row(20 * n, 3);
    const float values[] = {kInf, -kInf, kNan, -kNan, 3e38f, 1e-31f, 1e-40f, -0.0f};
    for (std::size_t i = 0; i < std::size(values); ++i) {
      odd[2 * i * n + n / 2] = values[i];                                                     // among others
      std::fill_n(odd.begin() + static_cast<std::ptrdiff_t>((2 * i + 1) * n), n, values[i]);  // alone
    }
    check(odd, 20, n, 0);
  }
}

TEST_CASE("Row kernels do not depend on the host's floating-point environment") {
  const std::size_t n = 203;
  std::vector<float> x = normal_row(n, 5, 1e-38f);
  for (std::size_t i = 0; i < n; i += 3) x[i] = 0.3f * static_cast<float>(i);
  for (Isa isa : runnable_isas()) {
    for (const RowKernel& kernel : row_kernels(n)) {
      INFO(kernel.name << " at " << name(isa));
      std::vector<float> want(n), got(n), unprotected(n);
      kernel.kernel(table(isa), x.data(), n, want.data());
      {
        const HostileHost host;
        const DefaultFpEnvironment environment;
        kernel.kernel(table(isa), x.data(), n, got.data());
      }
      CHECK(difference(want.data(), got.data(), n) == "");
    }
  }
  // The host is hostile indeed: without protection the bits differ.
  const HostileHost host;
  float y[16];
  table(default_isa()).layernorm_row(x.data(), x.data(), x.data(), kEpsilon, 16, y);
  const DefaultFpEnvironment environment;
  float want[16];
  table(default_isa()).layernorm_row(x.data(), x.data(), x.data(), kEpsilon, 16, want);
  CHECK(difference(want, y, 16) != "");
}

TEST_CASE("layernorm_two_rows gives each row what layernorm_row gives it, at every level") {
  for (std::size_t n : row_sizes()) {
    const std::size_t ldx = n + 3, ldy = n + 5;
    Fenced<float> x(normal_row(ldx + n, 81)), gamma(normal_row(n, 82)), beta(normal_row(n, 83));
    std::vector<float> want(2 * n);
    reference::layernorm_row(x.data(), gamma.data(), beta.data(), kEpsilon, n, want.data());
    reference::layernorm_row(x.data() + ldx, gamma.data(), beta.data(), kEpsilon, n, want.data() + n);
    for (Isa isa : runnable_isas()) {
      INFO(name(isa) << ", n " << n);
      Guarded<float> y(ldy + n, 99.0f);
      table(isa).layernorm_two_rows(x.data(), static_cast<std::ptrdiff_t>(ldx), gamma.data(), beta.data(), kEpsilon, n,
                                    y.data(), static_cast<std::ptrdiff_t>(ldy));
      CHECK(difference(want.data(), y.data(), n) == "");
      CHECK(difference(want.data() + n, y.data() + ldy, n) == "");
      CHECK(std::all_of(y.data() + n, y.data() + ldy, [](float v) { return v == 99.0f; }));
      CHECK(y.intact());
    }
  }
}

TEST_CASE("layernorm_row is near its formula in double precision") {
  for (std::size_t n : {1, 2, 17, 64, 768, 3072}) {
    const std::vector<float> x = normal_row(n, 3, 2.0f), gamma = normal_row(n, 4), beta = normal_row(n, 5);
    std::vector<float> y(n);
    const float epsilon = 1e-5f;
    table(default_isa()).layernorm_row(x.data(), gamma.data(), beta.data(), epsilon, n, y.data());
    double mean = 0, variance = 0;
    for (float v : x) mean += v;
    mean /= static_cast<double>(n);
    for (float v : x) variance += (v - mean) * (v - mean);
    const double inverse = 1 / std::sqrt(variance / static_cast<double>(n) + epsilon);
    // The sums of n terms pass through n / 64 + 6 additions, each with a relative error of 2^-24; a few roundings more.
    const double rounding = (static_cast<double>(n) / 64 + 16) * 0x1p-24;
    for (std::size_t i = 0; i < n; ++i) {
      const double want = (x[i] - mean) * inverse * gamma[i] + beta[i];
      const double tolerance = rounding * (8 * inverse * std::abs(gamma[i]) + std::abs(want) + std::abs(beta[i]));
      CAPTURE(n, i, want, y[i], tolerance);
      CHECK(std::abs(y[i] - want) <= tolerance);
    }
  }
}

TEST_CASE("softmax_row is near its formula in double precision") {
  for (std::size_t n : {1, 2, 17, 64, 512}) {
    const std::vector<float> x = normal_row(n, 6, 5.0f);
    std::vector<float> y(n);
    table(default_isa()).softmax_row(x.data(), n, y.data());
    const double highest = *std::max_element(x.begin(), x.end());
    double sum = 0;
    for (float v : x) sum += std::exp(v - highest);
    for (std::size_t i = 0; i < n; ++i) {
      const double want = std::exp(x[i] - highest) / sum;
      // x - max is rounded (2^-24 |x - max|, which exp makes relative); exp, the sum and the division follow.
      const double tolerance = want * 0x1p-24 * (std::abs(x[i] - highest) + 2 + static_cast<double>(n) / 64 + 8 + 1);
      CAPTURE(n, i, want, y[i]);
      CHECK(std::abs(y[i] - want) <= tolerance);
    }
  }
}

TEST_CASE("quantize_row_u8 on rows that can be checked by eye") {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();
  struct Example {
    std::vector<float> x;
    float scale;
    std::vector<std::uint8_t> q;
  };
  const Example examples[] = {
      {{127.0f, -127.0f, 0.0f, 1.0f}, 1.0f, {255, 1, 128, 129}},
      {{127.0f, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f}, 1.0f, {255, 128, 130, 130, 128, 126, 128, 128}},  // half to even
      {{0.0f}, 0.0f, {128, 128, 128, 128}},
      {{0x1p-101f, -0x1p-101f}, 0.0f, {128, 128, 128, 128}},
      {{0x1p-100f}, 0x1p-100f / 127.0f, {255, 128, 128, 128}},
      {{1.0f, kNan}, kNan, {128, 128, 128, 128}},
      {{-kInf, 1.0f}, kNan, {128, 128, 128, 128}},
      {{3.4028235e38f, -1.0f}, 3.4028235e38f / 127.0f, {255, 128, 128, 128}},
  };
  for (Isa isa : runnable_isas()) {
    for (const Example& example : examples) {
      INFO(name(isa) << ", first element " << example.x[0]);
      std::vector<std::uint8_t> q(example.q.size());
      CHECK(same_bits(table(isa).quantize_row_u8(example.x.data(), example.x.size(), q.data()), example.scale));
      CHECK(q == example.q);
    }
  }
}

TEST_CASE("static_quantize_row_u8 on a row that can be checked by eye") {
  // Steps of 2 about 100: half a step to even, clamped on both sides, padding at zero.
  const std::vector<float> x = {0, 1, 3, -1, 309, 311, 1e30f, -200, -202, -1e30f};
  const std::vector<std::uint8_t> want = {100, 100, 102, 100, 254, 255, 255, 0, 0, 0, 100, 100};
  for (Isa isa : supported_isas()) {
    std::vector<std::uint8_t> q(12);
    CHECK(table(isa).static_quantize_row_u8(x.data(), nullptr, x.size(), 2.0f, 100, q.data()) == 2.0f);
    CHECK(q == want);
  }
}

TEST_CASE("sum_row adds in its fixed order") {
  // 2^24 swallows a 1 that meets it, and partial sum 0 takes elements 0 and 64: the 1 at 64 is lost, those at 1 and 65
  // are added to each other first.
  std::vector<float> x(66, 0.0f);
  x[0] = 0x1p24f;
  x[64] = 1.0f;
  x[1] = x[65] = 1.0f;
  for (Isa isa : runnable_isas()) CHECK(table(isa).sum_row(x.data(), x.size()) == 0x1p24f + 2.0f);
}

}  // namespace sesame::kernels
