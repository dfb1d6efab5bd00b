#include "engine/quantizer/observer.h"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "sesame/error.h"
#include "tests/catch.h"

namespace sesame::engine {
namespace {

std::vector<float> normal_values(std::size_t count, float scale, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(count);
  for (float& x : values) x = normal(random);
  return values;
}

Observer observer(CalibrationMethod method, const std::vector<float>& values, double percentile = 99.999) {
  Observer o({.method = method, .percentile = percentile});
  o.observe(values);
  return o;
}

TEST_CASE("An observer's extremes hold zero") {
  CHECK(observer(CalibrationMethod::minmax, {2, 3}).range() == Range{0, 3});
  CHECK(observer(CalibrationMethod::minmax, {-2, -3}).range() == Range{-3, 0});
  CHECK(observer(CalibrationMethod::minmax, {}).range() == Range{0, 0});
  for (auto method : {CalibrationMethod::entropy, CalibrationMethod::percentile, CalibrationMethod::mse}) {
    CHECK(observer(method, {0, 0, 0}).range() == Range{0, 0});
  }
}

TEST_CASE("A moving average moves a hundredth of the way") {
  Observer o({.method = CalibrationMethod::moving_average});
  o.observe(std::vector<float>{-1, 4});
  o.observe(std::vector<float>{-2, 104});
  CHECK(o.range().low == Approx(-1.01));
  CHECK(o.range().high == Approx(5));
}

TEST_CASE("A percentile leaves as many values out on either side") {
  std::vector<float> values;
  for (int i = -1000; i < 1000; ++i) values.push_back(static_cast<float>(i));
  const Range range = observer(CalibrationMethod::percentile, values, 90).range();
  CHECK(range.low == Approx(-900).margin(0.5));  // a bin is 1024 / 4096 wide
  CHECK(range.high == Approx(899).margin(0.5));
  CHECK(observer(CalibrationMethod::percentile, values, 100).range() == Range{-1000, 999});
}

TEST_CASE("The histogram grows without losing or moving a value") {
  const auto values = normal_values(5000, 1);
  std::vector<float> shuffled(values.rbegin(), values.rend());
  Observer one({.percentile = 98}), many({.percentile = 98});
  one.observe(shuffled);
  for (float x : values) many.observe(std::vector<float>{x});
  CHECK(one.range() == many.range());
  CHECK(one.count() == many.count());
  CHECK(one.mean_square() == Approx(many.mean_square()));
  CHECK(one.mean_square() == Approx(1).margin(0.05));
}

TEST_CASE("Clipping a rare outlier is what mse and entropy choose") {
  auto values = normal_values(20000, 1);
  values.push_back(200);
  for (auto method : {CalibrationMethod::mse, CalibrationMethod::entropy}) {
    const Observer o = observer(method, values);
    CHECK(o.range().high < 200);
    CHECK(o.range().high > 2);
    CHECK(o.clipped_share(o.range()) > 0);
  }
  const Observer o = observer(CalibrationMethod::mse, values);
  CHECK(o.mean_squared_error(o.range()) <= o.mean_squared_error(o.extremes()));
}

TEST_CASE("The error of an 8-bit grid is a twelfth of its step squared") {
  std::vector<float> values;
  for (int i = 0; i < 100000; ++i) values.push_back(static_cast<float>(i) / 50000 - 1);
  const Observer o = observer(CalibrationMethod::minmax, values);
  const double step = 2.0 / 255;
  CHECK(o.mean_squared_error(o.range()) == Approx(step * step / 12).epsilon(0.05));
}

TEST_CASE("Values that are no numbers are refused") {
  Observer o;
  CHECK_THROWS_AS(o.observe(std::vector<float>{1, std::numeric_limits<float>::quiet_NaN()}), Error);
  CHECK_THROWS_AS(o.observe(std::vector<float>{std::numeric_limits<float>::infinity()}), Error);
  CHECK(o.count() == 0);
  o.observe(std::vector<float>{std::numeric_limits<float>::max(), std::numeric_limits<float>::denorm_min()});
  CHECK(o.range().high == std::numeric_limits<float>::max());
}

TEST_CASE("Options out of bounds are refused, methods have names") {
  CHECK_THROWS_AS(Observer({.percentile = 0}), Error);
  CHECK_THROWS_AS(Observer({.percentile = std::nan("")}), Error);
  CHECK_THROWS_AS(Observer({.bins = 1}), Error);
  CHECK_THROWS_AS(Observer({.averaging = 0}), Error);
  for (const char* text : {"minmax", "moving-average", "entropy", "percentile", "mse"}) {
    CHECK(name(parse_calibration_method(text)) == text);
  }
  CHECK_THROWS_AS(parse_calibration_method("max"), Error);
}

}  // namespace
}  // namespace sesame::engine
