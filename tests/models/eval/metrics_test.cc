#include "models/eval/metrics.h"

#include <cmath>
#include <vector>

#include "tests/catch.h"

using namespace sesame::models;
using Classes = std::vector<std::size_t>;

TEST_CASE("the matching share counts equal places") {
  CHECK(matching_share(Classes{1, 2, 3, 4}, Classes{1, 2, 0, 4}) == 0.75);
  CHECK(matching_share(Classes{1}, Classes{2}) == 0);
  CHECK(std::isnan(matching_share(Classes{}, Classes{})));
}

TEST_CASE("an excluded class counts where it is expected, not where it is predicted") {
  // Expected class 9 is left out; of the three others the last is predicted as 9 and wrong.
  CHECK(matching_share_without(Classes{1, 9, 3, 9}, Classes{1, 9, 3, 4}, 9) == 2.0 / 3);
  CHECK(matching_share_without(Classes{9}, Classes{9}, 9) == std::nullopt);
}

TEST_CASE("F1 and Matthews' correlation, worked out by hand") {
  // Of the class 1: 2 true positives, 1 false positive, 1 false negative, 2 true negatives.
  const Classes predicted = {1, 1, 1, 0, 0, 0};
  const Classes expected = {1, 1, 0, 1, 0, 0};
  CHECK(f1_score(predicted, expected, 1) == Approx(4.0 / 6));
  CHECK(matthews_correlation(predicted, expected) == Approx((4.0 - 1) / std::sqrt(3.0 * 3 * 3 * 3)));
  CHECK(f1_score(Classes{0}, Classes{0}, 1) == 0);
  CHECK(matthews_correlation(Classes{1, 1}, Classes{1, 0}) == 0);  // one class only was predicted
}

TEST_CASE("correlations against values from the statistics module of Python") {
  // correlation([1, 2, 3, 5], [2, 1, 4, 4]), and of the ranks [0, 1, 2, 3], [1, 0, 2.5, 2.5]
  const std::vector<double> a = {1, 2, 3, 5};
  const std::vector<double> b = {2, 1, 4, 4};
  CHECK(pearson_correlation(a, b) == Approx(0.7481901).epsilon(1e-6));
  CHECK(spearman_correlation(a, b) == Approx(0.7378648).epsilon(1e-6));
  const std::vector<double> cubes = {1, 8, 27, 125};
  CHECK(spearman_correlation(a, cubes) == Approx(1));
  CHECK(std::isnan(pearson_correlation(a, std::vector<double>(4, 1.0))));
}

TEST_CASE("the cosine of vectors") {
  CHECK(cosine(std::vector<float>{3, 4}, std::vector<float>{4, 3}) == Approx(24.0 / 25));
  CHECK(cosine(std::vector<float>{1, 0}, std::vector<float>{-2, 0}) == -1);
}
