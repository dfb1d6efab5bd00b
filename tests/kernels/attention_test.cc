// attention_f32 and attention_bf16 of every level against its reference, bit for bit, and against double precision.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/fp_env.h"
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

// What the two have in common is all that they are asked here.
struct Kernel {
  void (*Table::*run)(const AttentionF32&);
  void (*reference)(const AttentionF32&);
  std::size_t (*scratch)(std::size_t queries, std::size_t keys, std::size_t head_dim);

  void operator()(Isa isa, const AttentionF32& a) const { (listed_table(isa).*run)(a); }
};

constexpr Kernel kF32 = {&Table::attention_f32, reference::attention_f32, attention_f32_scratch};
constexpr Kernel kBf16 = {&Table::attention_bf16, reference::attention_bf16, attention_bf16_scratch};

using Shape = AttentionShape;
using Problem = AttentionProblem;

std::vector<float> expected(const Kernel& kernel, Problem& p) {
  std::vector<float> out(p.shape.queries * p.shape.head_dim);
  kernel.reference(p.arguments(out.data(), nullptr));
  return out;
}

void check_every_level(const Kernel& kernel, Problem& p) {
  const Shape s = p.shape;
  const std::vector<float> want = expected(kernel, p);
  for (Isa isa : runnable_isas()) {
    INFO(name(isa) << ": queries " << s.queries << ", keys " << s.keys << ", head_dim " << s.head_dim << ", bias "
                   << p.has_bias);
    // What earlier calls left in scratch memory must not matter.
    Guarded<std::byte> scratch(kernel.scratch(s.queries, s.keys, s.head_dim), std::byte{0xFF});
    Guarded<float> out(want.size(), 99.0f);
    kernel(isa, p.arguments(out.data(), scratch.data()));
    CHECK(difference(want.data(), out.data(), want.size()) == "");
    CHECK(out.intact());
    CHECK(scratch.intact());
  }
}

}  // namespace

TEST_CASE("attention_f32 and attention_bf16: the reference's bits at every level") {
  const Kernel& kernel = *GENERATE(&kF32, &kBf16);
  std::vector<Shape> shapes;
  for (std::size_t head_dim : {1, 4, 11, 16, 32, 33, 64, 128}) {
    for (std::size_t keys : {1, 2, 15, 16, 17, 33, 48, 70}) shapes.push_back({5, keys, head_dim});
  }
  for (std::size_t queries = 1; queries <= 30; ++queries) shapes.push_back({queries, 37, 32});
  shapes.push_back({128, 128, 64});
  shapes.push_back({3, 300, 64});
  for (const Shape& shape : shapes) {
    for (bool bias : {false, true}) {
      Problem p(shape, 7, bias);
      check_every_level(kernel, p);
    }
  }
}

TEST_CASE("attention_f32 and attention_bf16: one bias row for all queries") {
  const Kernel& kernel = *GENERATE(&kF32, &kBf16);
  Problem p({6, 21, 8}, 0, true);
  std::vector<float> want(6 * 8), got(6 * 8), scratch(kernel.scratch(6, 21, 8) / sizeof(float) + 16);
  for (Isa isa : runnable_isas()) {
    Guarded<std::byte> memory(kernel.scratch(6, 21, 8));
    AttentionF32 a = p.arguments(want.data(), memory.data());
    a.ld_bias = 0;
    kernel.reference(a);
    a.out = got.data();
    kernel(isa, a);
    CHECK(difference(want.data(), got.data(), want.size()) == "");
  }
}

TEST_CASE("attention_f32 and attention_bf16: infinite, missing and extreme scores give the reference's bits") {
  const Kernel& kernel = *GENERATE(&kF32, &kBf16);
  constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
  for (float odd : {-kInf, kInf, kNan, -3e38f, 1e30f, 1e-40f}) {
    Problem p({4, 19, 16}, 3, true);
    for (std::size_t j = 0; j < 19; ++j) p.bias.data()[j] = odd;  // all of row 0
    p.bias.data()[19 + 18] = odd;
    p.bias.data()[2 * 19] = odd;
    check_every_level(kernel, p);
    Problem zero({4, 19, 16}, 3, false);
    for (std::size_t d = 0; d < 16; ++d) zero.k.data()[18 * 19 + d] = odd;  // the last key, which padding repeats
    check_every_level(kernel, zero);
  }
}

TEST_CASE("attention_f32 and attention_bf16: near the formula in double precision") {
  const Kernel& kernel = *GENERATE(&kF32, &kBf16);
  const Shape s{9, 50, 64};
  Problem p(s, 0, true);
  Guarded<std::byte> scratch(kernel.scratch(s.queries, s.keys, s.head_dim));
  std::vector<float> out(s.queries * s.head_dim);
  kernel(default_isa(), p.arguments(out.data(), scratch.data()));
  for (std::size_t i = 0; i < s.queries; ++i) {
    std::vector<double> score(s.keys);
    double largest = 0;  // sum of a score's terms, without their signs
    for (std::size_t j = 0; j < s.keys; ++j) {
      double terms = 0;
      for (std::size_t d = 0; d < s.head_dim; ++d) {
        terms += std::abs(double(p.q.data()[i * 64 + d]) * p.k.data()[j * 64 + d]) / 8;
      }
      largest = std::max(largest, terms);
      for (std::size_t d = 0; d < s.head_dim; ++d) score[j] += double(p.q.data()[i * 64 + d]) * p.k.data()[j * 64 + d];
      score[j] = score[j] / 8 + p.bias.data()[i * s.keys + j];
    }
    const double highest = *std::max_element(score.begin(), score.end());
    double sum = 0;
    for (double& v : score) sum += v = std::exp(v - highest);
    for (std::size_t d = 0; d < s.head_dim; ++d) {
      double want = 0, size = 0;
      for (std::size_t j = 0; j < s.keys; ++j) {
        want += score[j] / sum * p.v.data()[j * 64 + d];
        size += score[j] / sum * std::abs(p.v.data()[j * 64 + d]);
      }
      // A score of 64 terms of size 1 is off by at most 64 * 2^-24 * 64 / 8 and shifts p by as much, relatively; the
      // chain over keys adds 50 roundings.
      // In bf16 both factors of a term are off by 2^-9 of it; p and v are too.
      const double rounding = &kernel == &kBf16 ? std::expm1(2 * largest * 0x1.1p-8) + 0x1.1p-8 : 0;
      CHECK(std::abs(out[i * 64 + d] - want) <= size * ((2 * 512 + 60) * 0x1p-24 + rounding));
    }
  }
}

TEST_CASE("attention_f32 and attention_bf16: equal keys give the mean of the values") {
  const Kernel& kernel = *GENERATE(&kF32, &kBf16);
  // q = 0: every score is 0, every p is 1, and the sums of small integers are exact.
  const Shape s{3, 8, 4};
  Problem p(s, 0, false);
  std::fill_n(p.q.data(), 12, 0.0f);
  for (std::size_t j = 0; j < 8; ++j) {
    for (std::size_t d = 0; d < 4; ++d) p.v.data()[4 * j + d] = static_cast<float>(j * (d + 1));
  }
  Guarded<std::byte> scratch(kernel.scratch(3, 8, 4));
  std::vector<float> out(12);
  for (Isa isa : runnable_isas()) {
    kernel(isa, p.arguments(out.data(), scratch.data()));
    CHECK(out == std::vector<float>{3.5f, 7, 10.5f, 14, 3.5f, 7, 10.5f, 14, 3.5f, 7, 10.5f, 14});
  }
}

TEST_CASE("attention_f32 and attention_bf16: neither the host's floating-point environment nor other queries matter") {
  const Kernel& kernel = *GENERATE(&kF32, &kBf16);
  Problem p({20, 45, 32}, 0, false);
  const std::vector<float> want = expected(kernel, p);
  Guarded<std::byte> scratch(kernel.scratch(20, 45, 32));
  std::vector<float> got(want.size());
  for (Isa isa : runnable_isas()) {
    {
      const HostileHost host;
      const DefaultFpEnvironment environment;
      kernel(isa, p.arguments(got.data(), scratch.data()));
    }
    CHECK(difference(want.data(), got.data(), want.size()) == "");
    AttentionF32 last = p.arguments(got.data(), scratch.data());
    last.q += 19 * last.ldq;
    last.queries = 1;
    kernel(isa, last);
    CHECK(difference(want.data() + 19 * 32, got.data(), 32) == "");
  }
}

TEST_CASE("attention_bf16 rounds queries, keys, weights and values") {
  const Shape s{1, 2, 2};
  const auto answer = [&](Isa isa, float q, float k, float v) {
    Problem p(s, 0, false);
    std::fill_n(p.q.data(), 2, q);
    std::fill_n(p.k.data(), 2, k);
    std::fill_n(p.k.data() + 2, 2, 0.0f);
    std::fill_n(p.v.data(), 2, v);
    std::fill_n(p.v.data() + 2, 2, 0.0f);
    Guarded<std::byte> scratch(attention_bf16_scratch(1, 2, 2));
    std::vector<float> out(2);
    kBf16(isa, p.arguments(out.data(), scratch.data()));
    return out[0];
  };
  const float tiny = 0x1p-9f;
  for (Isa isa : runnable_isas()) {
    const float plain = answer(isa, 1, 1, 1);
    CHECK(answer(isa, 1 + tiny, 1, 1) == plain);
    CHECK(answer(isa, 1, 1 + tiny, 1) == plain);
    CHECK(answer(isa, 1, 1, 1 + tiny) == plain);
    CHECK(answer(isa, 1 + 4 * tiny, 1, 1) != plain);
    CHECK(answer(isa, 1, 1 + 4 * tiny, 1) != plain);
    CHECK(answer(isa, 1, 1, 1 + 4 * tiny) != plain);
    // The other key's weight, exp(-x) in the sum and rounded beside the value.
    const float x = 2 / std::sqrt(2.0f);
    CHECK(std::abs(answer(isa, -1, 1, 1) - std::exp(-x) / (1 + std::exp(-x))) > 1e-6f);
  }
}

}  // namespace sesame::kernels
