#include "engine/compare.h"

#include <limits>

#include "tests/catch.h"
#include "tests/support/run_operator.h"

namespace sesame::test {

using namespace engine;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

TEST_CASE("compare measures against the largest expected value") {
  const Tensor want = floats({2, 2}, {0, 100, -200, 1});
  const Tensor near = floats({2, 2}, {0.019f, 100, -200, 1});
  const Comparison passed = compare(near, want);
  CHECK(passed.passed);
  CHECK(passed.place == 0);
  CHECK(passed.worst_error == Approx(0.019));
  CHECK(passed.allowed == Approx(1e-5 + 1e-4 * 200));

  const Comparison failed = compare(floats({2, 2}, {0, 100, -200, 1.03f}), want);
  CHECK_FALSE(failed.passed);
  CHECK(failed.place == 3);
  CHECK(failed.problem.find("element [1, 1] is 1.02999997, expected 1 ") == 0);
  CHECK(compare(floats({2, 2}, {0, 100, -200, 1.03f}), want, {1e-5, 2e-2}).passed);
}

TEST_CASE("compare lets NaN and infinity pass only where they are expected") {
  const Tensor want = floats({3}, {kNaN, kInf, 1});
  CHECK(compare(want, want).passed);
  CHECK_FALSE(compare(floats({3}, {1, kInf, 1}), want).passed);
  CHECK_FALSE(compare(floats({3}, {kNaN, -kInf, 1}), want).passed);
  CHECK_FALSE(compare(floats({3}, {kNaN, 3e38f, 1}), want).passed);
  const Comparison c = compare(floats({3}, {kNaN, kInf, kNaN}), want);
  CHECK_FALSE(c.passed);
  CHECK(c.place == 2);
  CHECK(c.worst_error != c.worst_error);
  // An infinite expectation must not make every error small.
  CHECK_FALSE(compare(floats({3}, {kNaN, kInf, 2}), want).passed);
}

TEST_CASE("compare takes integers, bools, types and shapes exactly") {
  CHECK(compare(ints({2}, {1, 2}), ints({2}, {1, 2})).passed);
  const Comparison c = compare(ints({2}, {1, 3}), ints({2}, {1, 2}), {10, 10});
  CHECK_FALSE(c.passed);
  CHECK(c.place == 1);
  const std::int64_t large = std::int64_t{1} << 60;  // a double cannot tell it from its neighbour
  CHECK_FALSE(compare(ints({1}, {large + 1}), ints({1}, {large})).passed);
  CHECK_FALSE(compare(Tensor::of<bool>({1}, {true}), Tensor::of<bool>({1}, {false})).passed);
  CHECK(compare(floats({2}, {1, 2}), ints({2}, {1, 2})).problem == "type is float, expected int64");
  CHECK(compare(floats({2}, {1, 2}), floats({1, 2}, {1, 2})).problem == "shape is [2], expected [1, 2]");
  CHECK_FALSE(compare(floats({2}, {1, 2}), floats({1, 2}, {1, 2})).passed);
  CHECK(compare(floats({0, 3}, {}), floats({0, 3}, {})).passed);
}

TEST_CASE("compare reads float16") {
  CHECK(compare(halves({2}, {1, 2}), halves({2}, {1, 2})).passed);
  CHECK_FALSE(compare(halves({2}, {1, 2}), halves({2}, {1, 2.01f})).passed);
}

}  // namespace sesame::test
