#include "engine/quantizer/smooth.h"

#include <cmath>

#include "tests/catch.h"
#include "tests/support/small_graph.h"

namespace sesame::engine {
namespace {

using test::random_floats;

// Rows with one channel that is far wider than the others.
RowSample with_outliers(std::int64_t rows, std::int64_t features) {
  const Tensor x = random_floats({rows, features}, 1);
  for (std::int64_t m = 0; m < rows; ++m) x.data<float>()[m * features + 3] *= 80;
  RowSample sample;
  sample.add(x);
  return sample;
}

TEST_CASE("A sample stays small, and is taken evenly") {
  RowSample sample(8);
  for (int i = 0; i < 100; ++i) sample.add(Tensor::of<float>({1, 2}, {static_cast<float>(i), -1}));
  CHECK(sample.rows() <= 8);
  CHECK(sample.rows() >= 4);
  for (std::size_t r = 1; r < sample.rows(); ++r) {
    CHECK(sample.data()[2 * r] - sample.data()[2 * (r - 1)] == sample.data()[2]);  // the first is 0
  }
  CHECK(sample.column_maxima() == std::vector<float>{99, 1});
}

TEST_CASE("Outlier channels are smoothed, even ones are left alone") {
  const LinearWeights w{random_floats({32, 16}, 2), {}, false};
  const auto smoothing = find_smoothing(std::span(&w, 1), LinearPrecision::int8, with_outliers(64, 32));
  REQUIRE(smoothing);
  CHECK(smoothing->alpha >= 0.3f);
  CHECK(smoothing->alpha <= 0.8f);
  CHECK(smoothing->multiplier.data<float>()[3] < smoothing->multiplier.data<float>()[4] / 4);
  RowSample even;
  even.add(random_floats({64, 32}, 1));
  CHECK_FALSE(find_smoothing(std::span(&w, 1), LinearPrecision::int8, even));
  CHECK_FALSE(find_smoothing(std::span(&w, 1), LinearPrecision::int8, RowSample()));
}

TEST_CASE("Smoothed weights times smoothed rows are what they were, either way the weight lies") {
  const Tensor multiplier = Tensor::of<float>({2}, {0.5f, 4});
  const LinearWeights w{Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6}), {}, false};
  const LinearWeights t{Tensor::of<float>({3, 2}, {1, 4, 2, 5, 3, 6}), {}, true};
  CHECK(test::equal_bits(smoothed(w, multiplier).weight, Tensor::of<float>({2, 3}, {2, 4, 6, 1, 1.25f, 1.5f})));
  CHECK(test::equal_bits(smoothed(t, multiplier).weight, Tensor::of<float>({3, 2}, {2, 1, 4, 1.25f, 6, 1.5f})));
}

}  // namespace
}  // namespace sesame::engine
