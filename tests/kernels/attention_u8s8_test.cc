// attention_u8s8 of every level against its reference, bit for bit, and against attention without rounding.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "kernels/fp_env.h"
#include "kernels/pack.h"
#include "kernels/reference_attention.h"
#include "kernels/reference_rows.h"
#include "kernels/table.h"
#include "tests/catch.h"
#include "tests/kernels/attention_problem.h"
#include "tests/kernels/fenced.h"
#include "tests/kernels/guarded.h"
#include "tests/kernels/hostile_host.h"
#include "tests/kernels/row_values.h"
#include "tests/kernels/same_bits.h"

namespace sesame::kernels {
namespace {

using Shape = AttentionShape;
// A head's tokens as bytes, which end where memory does.
class Tokens {
 public:
  Tokens(const float* x, std::ptrdiff_t ld, std::size_t count, std::size_t n, std::size_t gap)
      : ld_(round_up(n + gap, 4)), scale_(std::vector<float>(count)), bytes_(quantized(x, ld, count, n)) {}
  TokenBytes get() { return {bytes_.data(), static_cast<std::ptrdiff_t>(ld_), scale_.data()}; }

 private:
  std::vector<std::uint8_t> quantized(const float* x, std::ptrdiff_t ld, std::size_t count, std::size_t n) {
    std::vector<std::uint8_t> bytes((count - 1) * ld_ + round_up(n, 4), 1);
    for (std::size_t t = 0; t < count; ++t) {
      scale_.data()[t] = reference::quantize_row_u8(x + static_cast<std::ptrdiff_t>(t) * ld, n, bytes.data() + t * ld_);
    }
    return bytes;
  }

  std::size_t ld_;
  Fenced<float> scale_;
  Fenced<std::uint8_t> bytes_;
};

struct Problem : AttentionProblem {
  using AttentionProblem::AttentionProblem;

  // Quantizes what is there now.
  AttentionU8S8 arguments(float* out, std::byte* scratch) {
    const AttentionF32 a = AttentionProblem::arguments(out, scratch);
    const std::size_t gap = static_cast<std::size_t>(ld) - shape.head_dim;
    queries.emplace(a.q, a.ldq, a.queries, a.head_dim, gap);
    keys.emplace(a.k, a.ldk, a.keys, a.head_dim, gap);
    values.emplace(a.v, a.ldv, a.keys, a.head_dim, gap);
    return {.q = queries->get(),
            .k = keys->get(),
            .v = values->get(),
            .queries = a.queries,
            .keys = a.keys,
            .head_dim = a.head_dim,
            .scale = a.scale,
            .bias = a.bias,
            .ld_bias = a.ld_bias,
            .out = out,
            .ldo = a.ldo,
            .scratch = scratch};
  }

  std::optional<Tokens> queries, keys, values;
};

std::vector<float> expected(Problem& p) {
  std::vector<float> out(p.shape.queries * p.shape.head_dim);
  reference::attention_u8s8(p.arguments(out.data(), nullptr));
  return out;
}

void check_every_level(Problem& p) {
  const Shape s = p.shape;
  const std::vector<float> want = expected(p);
  for (Isa isa : runnable_isas()) {
    INFO(name(isa) << ": queries " << s.queries << ", keys " << s.keys << ", head_dim " << s.head_dim << ", bias "
                   << p.has_bias);
    // What earlier calls left in scratch memory must not matter.
    Guarded<std::byte> scratch(attention_u8s8_scratch(s.keys, s.head_dim), std::byte{0xFF});
    Guarded<float> out(want.size(), 99.0f);
    table(isa).attention_u8s8(p.arguments(out.data(), scratch.data()));
    CHECK(difference(want.data(), out.data(), want.size()) == "");
    CHECK(out.intact());
    CHECK(scratch.intact());
  }
}

// A query's row without rounding, and how far int8 may be from it.
struct Exact {
  std::vector<double> p;   // probabilities
  double score_error = 0;  // of the worst score
};

double max_magnitude(const float* x, std::size_t n) {
  double m = 0;
  for (std::size_t i = 0; i < n; ++i) m = std::max(m, std::abs(static_cast<double>(x[i])));
  return m;
}

double magnitude_sum(const float* x, std::size_t n) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += std::abs(static_cast<double>(x[i]));
  return sum;
}

// Scores and probabilities of query i in double precision. Half a step of q against every |k|, half a step of k against
// every |q|, and half of both against each other.
Exact exact_row(Problem& p, std::size_t i) {
  const std::size_t n = p.shape.head_dim;
  const AttentionF32 a = p.AttentionProblem::arguments(nullptr, nullptr);
  const float* q = a.q + static_cast<std::ptrdiff_t>(i) * a.ldq;
  const double q_half = max_magnitude(q, n) / 254, q_sum = magnitude_sum(q, n);
  Exact row{std::vector<double>(p.shape.keys)};
  for (std::size_t j = 0; j < p.shape.keys; ++j) {
    const float* k = p.key(j);
    const double k_half = max_magnitude(k, n) / 254;
    for (std::size_t d = 0; d < n; ++d) row.p[j] += static_cast<double>(q[d]) * k[d];
    row.p[j] = row.p[j] * a.scale + (a.bias ? a.bias[i * p.shape.keys + j] : 0.0f);
    const double error = q_half * magnitude_sum(k, n) + k_half * q_sum + static_cast<double>(n) * q_half * k_half;
    row.score_error = std::max(row.score_error, a.scale * error);
  }
  const double highest = *std::max_element(row.p.begin(), row.p.end());
  double sum = 0;
  for (double& x : row.p) sum += x = std::exp(x - highest);
  for (double& x : row.p) x /= sum;
  return row;
}

}  // namespace

TEST_CASE("attention_u8s8 gives the reference's bits at every level") {
  std::vector<Shape> shapes;
  for (std::size_t head_dim : {1, 4, 11, 16, 32, 33, 64, 128}) {
    for (std::size_t keys : {1, 2, 3, 4, 15, 16, 17, 33, 48, 63, 64, 65, 70}) shapes.push_back({5, keys, head_dim});
  }
  for (std::size_t keys = 1; keys <= 70; ++keys) shapes.push_back({3, keys, 20});
  for (std::size_t queries = 1; queries <= 70; ++queries) shapes.push_back({queries, 37, 32});
  for (std::size_t head_dim : {32, 64, 128}) shapes.push_back({20, 384, head_dim});
  shapes.push_back({128, 128, 64});
  for (const Shape& shape : shapes) {
    for (bool bias : {false, true}) {
      Problem p(shape, 7, bias);
      check_every_level(p);
    }
  }
}

TEST_CASE("attention_u8s8 with values of very different sizes gives the reference's bits") {
  for (std::size_t keys : {7, 70}) {
    for (bool bias : {false, true}) {
      Problem p({5, keys, 16}, 3, bias);
      for (std::size_t j = 0; j < keys; ++j) {
        for (std::size_t d = 0; d < 16; ++d) p.value(j)[d] *= std::ldexp(1.0f + j % 5 * 0.2f, -static_cast<int>(j));
      }
      std::fill_n(p.value(keys / 2), 16, 0.0f);
      check_every_level(p);
    }
  }
}

TEST_CASE("attention_u8s8 takes one bias row for all queries, or rows that overlap") {
  Problem p({6, 21, 8}, 0, true);
  std::vector<float> want(6 * 8), got(6 * 8);
  for (Isa isa : runnable_isas()) {
    Guarded<std::byte> memory(attention_u8s8_scratch(21, 8));
    AttentionU8S8 a = p.arguments(want.data(), memory.data());
    for (const std::ptrdiff_t ld : {0, -1}) {  // the same row, or one that begins an element earlier
      a.bias = p.bias.data() + (ld == 0 ? 0 : 5);
      a.ld_bias = ld;
      a.out = want.data();
      reference::attention_u8s8(a);
      a.out = got.data();
      table(isa).attention_u8s8(a);
      CHECK(difference(want.data(), got.data(), want.size()) == "");
    }
  }
}

TEST_CASE("attention_u8s8 with infinite, missing and extreme values gives the reference's bits") {
  constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
  for (float odd : {-kInf, kInf, kNan, -kNan, -3e38f, 1e30f, 1e-28f, 1e-31f, 1e-40f, 0.0f}) {
    for (std::size_t keys : {19, 70}) {
      Problem biased({4, keys, 16}, 3, true);
      for (std::size_t j = 0; j < keys; ++j) biased.bias.data()[j] = odd;  // all of row 0
      biased.bias.data()[keys + keys - 1] = odd;
      biased.bias.data()[2 * keys] = odd;
      check_every_level(biased);
      for (auto member : {&Problem::q, &Problem::k, &Problem::v}) {
        for (std::size_t token : {0, 3}) {
          Problem one({4, keys, 16}, 3, false);
          float* row = (one.*member).data() + token * 19;
          row[5] = odd;  // among ordinary values
          check_every_level(one);
          std::fill_n(row, 16, odd);
          check_every_level(one);
        }
        Problem all({4, keys, 16}, 0, false);
        std::fill_n((all.*member).data(), 4 * 16, odd);
        check_every_level(all);
      }
      Problem last({4, keys, 16}, 3, false);
      std::fill_n(last.key(keys - 1), 16, odd);  // the token that padding repeats
      std::fill_n(last.value(keys - 1), 16, odd);
      check_every_level(last);
    }
  }
}

TEST_CASE("attention_u8s8 answers NaN where a token of the query, or any key or value, is not finite") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (Isa isa : runnable_isas()) {
    INFO(name(isa));
    Guarded<std::byte> scratch(attention_u8s8_scratch(20, 8));
    std::vector<float> out(24);
    const auto missing = [&] { return std::count_if(out.begin(), out.end(), [](float x) { return std::isnan(x); }); };
    Problem query({3, 20, 8}, 0, false);
    query.q.data()[8 + 2] = nan;
    table(isa).attention_u8s8(query.arguments(out.data(), scratch.data()));
    CHECK(missing() == 8);
    CHECK(std::isnan(out[8]));
    Problem value({3, 20, 8}, 0, false);
    value.v.data()[19 * 8] = std::numeric_limits<float>::infinity();
    table(isa).attention_u8s8(value.arguments(out.data(), scratch.data()));
    CHECK(missing() == 24);
  }
}

TEST_CASE("attention_u8s8 is as near attention without rounding as 8 bits are") {
  for (bool bias : {false, true}) {
    for (const Shape s : {Shape{9, 50, 64}, Shape{5, 200, 32}, Shape{4, 7, 11}}) {
      Problem p(s, 0, bias);
      Guarded<std::byte> scratch(attention_u8s8_scratch(s.keys, s.head_dim));
      std::vector<float> out(s.queries * s.head_dim);
      table(default_isa()).attention_u8s8(p.arguments(out.data(), scratch.data()));
      for (std::size_t i = 0; i < s.queries; ++i) {
        const Exact row = exact_row(p, i);
        // Every score off by at most `e` makes p off by a factor of exp(2e) at most, and fp32's roundings are far
        // smaller. A value is off by half its step; a weight by half of a 240th of the heaviest weight times step.
        const double shift = std::expm1(2 * row.score_error) + 1e-4;
        double heaviest = 0, steps = 0;
        for (std::size_t j = 0; j < s.keys; ++j) {
          const double step = max_magnitude(p.value(j), s.head_dim) / 127;
          heaviest = std::max(heaviest, row.p[j] * step * (1 + shift));
          steps += row.p[j] * step / 2 * (1 + shift);
        }
        const double weights = heaviest / 480 * 127 * static_cast<double>(s.keys);
        for (std::size_t d = 0; d < s.head_dim; ++d) {
          double want = 0, size = 0;
          for (std::size_t j = 0; j < s.keys; ++j) {
            want += row.p[j] * p.value(j)[d];
            size += row.p[j] * std::abs(p.value(j)[d]);
          }
          CHECK(std::abs(out[i * s.head_dim + d] - want) <= size * shift + steps + weights);
        }
      }
    }
  }
}

TEST_CASE("attention_u8s8 of one key gives its value, whatever its share of the largest one") {
  // Query i attends to key i only, whose weight must fit 8 bits although logarithms of scales are rough.
  constexpr std::size_t kCount = 64;
  Problem p({kCount, kCount, kCount}, 0, false);
  for (auto member : {&Problem::q, &Problem::k}) {
    std::fill_n((p.*member).data(), kCount * kCount, 0.0f);
    for (std::size_t i = 0; i < kCount; ++i) (p.*member).data()[i * kCount + i] = 20;
  }
  for (std::size_t j = 0; j < kCount; ++j) {
    std::fill_n(p.value(j), kCount, std::exp2f(static_cast<float>(j) / -37));
  }
  std::vector<float> out(kCount * kCount);
  Guarded<std::byte> scratch(attention_u8s8_scratch(kCount, kCount));
  for (Isa isa : runnable_isas()) {
    table(isa).attention_u8s8(p.arguments(out.data(), scratch.data()));
    for (std::size_t i = 0; i < kCount; ++i) {
      const float want = p.value(i)[0];
      INFO(name(isa) << ": " << want);
      // Half a step of 240, and what logarithms to 1.02e-4 leave of it.
      CHECK(std::abs(out[i * kCount] - want) <= want * (1 / 480.0f + 4e-4f));
    }
  }
}

TEST_CASE("attention_u8s8 keeps faint weights beside a heavy one whose value is small") {
  // Half of the weight goes to the first key, whose value is a hundredth of the others': it must not set their step.
  constexpr std::size_t kKeys = 201, kDim = 16;
  Problem p({1, kKeys, kDim}, 0, false);
  std::fill_n(p.q.data(), kDim, 1.0f);
  std::fill_n(p.k.data(), kKeys * kDim, 0.0f);
  std::fill_n(p.key(0), kDim, std::log(200.0f) / 4);  // a score of log(200): 16 of these, times 1 / 4
  for (std::size_t j = 0; j < kKeys; ++j) std::fill_n(p.value(j), kDim, j == 0 ? 0.01f : 1.0f);
  std::vector<float> out(kDim);
  Guarded<std::byte> scratch(attention_u8s8_scratch(kKeys, kDim));
  for (Isa isa : runnable_isas()) {
    INFO(name(isa));
    table(isa).attention_u8s8(p.arguments(out.data(), scratch.data()));
    // A faint weight is 120 of 240 times the heavy one's, give or take half a step.
    CHECK(std::abs(out[0] - 0.505f) <= 0.505f * 0.01f);
  }
}

TEST_CASE("attention_u8s8 of a row whose keys are all masked is attention_f32's") {
  // Values of very different sizes, whose scales such a bias must not swallow.
  constexpr std::size_t kKeys = 21, kDim = 16;
  for (float masked : {-7e4f, -1e6f, -1e9f, -1e38f, std::numeric_limits<float>::lowest()}) {
    Problem p({18, kKeys, kDim}, 3, true);
    for (std::size_t j = 0; j < kKeys; ++j) {
      for (std::size_t d = 0; d < kDim; ++d) p.value(j)[d] *= std::ldexp(1.0f, -static_cast<int>(j));
    }
    for (std::size_t i : {3, 16, 17}) std::fill_n(p.bias.data() + i * kKeys, kKeys, masked);
    p.bias.data()[16 * kKeys + 2] = masked * 0.5f;  // one stands out after all
    std::fill_n(p.bias.data() + 17 * kKeys + 5, 9, -std::numeric_limits<float>::infinity());
    check_every_level(p);
    std::vector<float> want(18 * kDim), out(want.size());
    Guarded<std::byte> floats(attention_f32_scratch(18, kKeys, kDim));
    table(default_isa()).attention_f32(p.AttentionProblem::arguments(want.data(), floats.data()));
    Guarded<std::byte> scratch(attention_u8s8_scratch(kKeys, kDim));
    table(default_isa()).attention_u8s8(p.arguments(out.data(), scratch.data()));
    for (std::size_t i = 0; i < want.size(); ++i) {
      INFO("bias " << masked << ", query " << i / kDim);
      CHECK(std::abs(out[i] - want[i]) <= 0.02f);  // values are of size 1, bytes of them and of weights of 1/100
    }
  }
}

TEST_CASE("attention_u8s8 of equal keys and weights is exact where 8 bits are") {
  // q = 0: every score is 0, every weight the largest. Values of 127 steps of 1 in the first column.
  const Shape s{3, 8, 4};
  Problem p(s, 0, false);
  std::fill_n(p.q.data(), 12, 0.0f);
  for (std::size_t j = 0; j < 8; ++j) {
    const float row[4] = {127, static_cast<float>(j), -static_cast<float>(8 * j), 1};
    std::copy_n(row, 4, p.value(j));
  }
  Guarded<std::byte> scratch(attention_u8s8_scratch(8, 4));
  std::vector<float> out(12);
  for (Isa isa : runnable_isas()) {
    table(isa).attention_u8s8(p.arguments(out.data(), scratch.data()));
    for (std::size_t i = 0; i < 12; i += 4) {
      // The sums are exact; 1/240/8 and two products round.
      CHECK(std::abs(out[i] - 127) <= 127 * 3 * 0x1p-24);
      CHECK(std::abs(out[i + 1] - 3.5f) <= 3.5f * 3 * 0x1p-24);
      CHECK(std::abs(out[i + 2] + 28) <= 28 * 3 * 0x1p-24);
      CHECK(std::abs(out[i + 3] - 1) <= 3 * 0x1p-24);
    }
  }
}

TEST_CASE("attention_u8s8 does not depend on the host's floating-point environment or on other queries") {
  Problem p({20, 45, 32}, 0, false);
  const std::vector<float> want = expected(p);
  Guarded<std::byte> scratch(attention_u8s8_scratch(45, 32));
  std::vector<float> got(want.size());
  for (Isa isa : runnable_isas()) {
    {
      const HostileHost host;
      const DefaultFpEnvironment environment;
      table(isa).attention_u8s8(p.arguments(got.data(), scratch.data()));
    }
    CHECK(difference(want.data(), got.data(), want.size()) == "");
    AttentionU8S8 last = p.arguments(got.data(), scratch.data());
    last.q.bytes += 19 * last.q.ld;
    last.q.scale += 19;
    last.queries = 1;
    table(isa).attention_u8s8(last);
    CHECK(difference(want.data() + 19 * 32, got.data(), 32) == "");
  }
}

}  // namespace sesame::kernels
