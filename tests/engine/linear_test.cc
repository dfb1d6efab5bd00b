#include "engine/linear.h"

#include <cmath>
#include <limits>

#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/support/small_graph.h"

namespace sesame::engine {
namespace {

using test::random_floats;

LinearWeights weights(std::int64_t in, std::int64_t out, unsigned seed, bool bias = true) {
  return {random_floats({in, out}, seed), bias ? random_floats({out}, seed + 1) : Tensor(), false};
}

Tensor transposed(const Tensor& t) {
  Tensor y = Tensor::allocate(DType::f32, {t.dim(1), t.dim(0)});
  for (std::int64_t i = 0; i < t.dim(0); ++i) {
    for (std::int64_t j = 0; j < t.dim(1); ++j) {
      y.data<float>()[j * t.dim(0) + i] = t.data<float>()[i * t.dim(1) + j];
    }
  }
  return y;
}

std::vector<float> run(const Linear& linear, const Tensor& x, const kernels::Epilogue& epilogue = {}) {
  const auto rows = static_cast<std::size_t>(x.dim(0));
  const kernels::Table& table = kernels::table(kernels::default_isa());
  std::vector<std::byte> made(rows * linear.row_bytes());
  std::vector<float> scale(rows);
  const Rows input = linear.make_rows(table, x.data<float>(), x.dim(1), rows, made.data(), scale.data());
  std::vector<float> y(rows * linear.out_features(), -99.0f);
  linear.run(table, input, rows, epilogue, y.data(), static_cast<std::ptrdiff_t>(linear.out_features()));
  return y;
}

double exact(const LinearWeights& w, const Tensor& x, std::int64_t m, std::int64_t n) {
  double sum = w.bias ? w.bias.data<float>()[n] : 0.0;
  for (std::int64_t k = 0; k < w.weight.dim(0); ++k) {
    sum += static_cast<double>(x.data<float>()[m * x.dim(1) + k]) * w.weight.data<float>()[k * w.weight.dim(1) + n];
  }
  return sum;
}

// Of values below 1: K products rounded once each, or two factors with half a step of 1/127 each.
double tolerance(LinearPrecision precision, std::int64_t k) {
  return static_cast<double>(k) * (precision == LinearPrecision::int8 ? 1.1 / 127 : 0x1p-23);
}

TEST_CASE("A Linear is x W + b, for any size and in each precision") {
  for (LinearPrecision precision : {LinearPrecision::fp32, LinearPrecision::int8}) {
    for (const auto& [in, out] :
         std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 1}, {5, 3}, {33, 50}, {64, 16}}) {
      INFO(in << " x " << out);
      const LinearWeights w = weights(in, out, 3);
      const Tensor x = random_floats({3, in}, 9);
      const auto y = run(Linear(w, precision), x);
      for (std::int64_t m = 0; m < 3; ++m) {
        for (std::int64_t n = 0; n < out; ++n) {
          const double error = std::fabs(y[static_cast<std::size_t>(m * out + n)] - exact(w, x, m, n));
          CHECK(error <= tolerance(precision, in));
        }
      }
    }
  }
}

TEST_CASE("A transposed weight gives the same bits") {
  for (LinearPrecision precision : {LinearPrecision::fp32, LinearPrecision::int8}) {
    const LinearWeights w = weights(21, 35, 5);
    const LinearWeights t{transposed(w.weight), w.bias, true};
    CHECK(t.in_features() == 21);
    const Tensor x = random_floats({4, 21}, 6);
    CHECK(run(Linear(w, precision), x) == run(Linear(t, precision), x));
  }
}

TEST_CASE("Parts side by side give the bits that each gives alone") {
  for (LinearPrecision precision : {LinearPrecision::fp32, LinearPrecision::int8}) {
    const std::vector<LinearWeights> parts = {weights(11, 33, 1), weights(11, 33, 2, false), weights(11, 20, 3)};
    const Linear merged(parts, precision);
    const Tensor x = random_floats({5, 11}, 4);
    const auto all = run(merged, x);
    for (std::size_t p = 0; p < parts.size(); ++p) {
      CHECK(merged.part_offset(p) % 16 == 0);
      const Linear alone(parts[p], precision);
      const auto y = run(alone, x);
      for (std::size_t m = 0; m < 5; ++m) {
        for (std::size_t n = 0; n < alone.out_features(); ++n) {
          CHECK(all[m * merged.out_features() + merged.part_offset(p) + n] == y[m * alone.out_features() + n]);
        }
      }
    }
  }
}

TEST_CASE("Columns from a panel on are the same columns") {
  const LinearWeights w = weights(8, 40, 1);
  const Linear linear(w, LinearPrecision::fp32);
  const Tensor x = random_floats({2, 8}, 4);
  const auto all = run(linear, x);
  std::vector<float> part(2 * 24);
  linear.run(kernels::table(kernels::default_isa()), {x.data<float>(), 8}, 2, 16, 40, {}, part.data(), 24);
  for (std::size_t m = 0; m < 2; ++m) {
    for (std::size_t n = 0; n < 24; ++n) CHECK(part[m * 24 + n] == all[m * 40 + 16 + n]);
  }
}

TEST_CASE("What int8 cannot hold is refused") {
  LinearWeights w = weights(4, 4, 1);
  w.weight.data<float>()[5] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_AS(Linear(w, LinearPrecision::int8), Error);
  CHECK_NOTHROW(Linear(w, LinearPrecision::fp32));
  const LinearWeights deep = weights(static_cast<std::int64_t>(kernels::kMaxK) + 1, 1, 1);
  CHECK_THROWS_AS(Linear(deep, LinearPrecision::int8), Error);
  const LinearWeights parts[] = {weights(4, 4, 1), weights(5, 4, 1)};
  CHECK_THROWS_AS(Linear(parts, LinearPrecision::fp32), Error);
}

TEST_CASE("A node's weights are checked") {
  test::SmallGraph g;
  const ValueId x = g.input("x", {-1, 4});
  const ValueId w = g.constant(random_floats({4, 3}, 1));
  const auto check = [&](std::vector<ValueId> inputs) {
    g.node("Linear", std::move(inputs), {}, std::string(kSesame));
    linear_weights(g.graph, g.graph.nodes.back());
  };
  CHECK_NOTHROW(check({x, w}));
  CHECK_NOTHROW(check({x, w, g.floats({1, 2, 3})}));
  CHECK_THROWS_AS(check({x, w, g.floats({1, 2})}), Error);
  CHECK_THROWS_AS(check({x, x}), Error);
  CHECK_THROWS_AS(check({x}), Error);
  CHECK_THROWS_AS(check({}), Error);
  CHECK_THROWS_AS(check({x, g.floats({1, 2, 3, 4})}), Error);
  CHECK_THROWS_AS(check({x, g.constant(Tensor::of<double>({1, 1}, {1.0}))}), Error);
}

}  // namespace
}  // namespace sesame::engine
