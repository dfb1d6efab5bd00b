#include "engine/finite_weights.h"

#include <limits>

#include "tests/catch.h"
#include "tests/support/small_graph.h"

namespace sesame::engine {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

void check(const std::vector<float>& values) {
  Graph graph;
  graph.add_constant("fine", Tensor::of<float>({2}, {1, 2}));
  graph.add_constant("w", Tensor::of<float>({static_cast<std::int64_t>(values.size())}, values));
  require_finite_weights(graph);
}

TEST_CASE("Constants with a number that is none are named, masks are let through") {
  CHECK_THROWS_WITH(check({1, kNaN}), "cannot quantize: weight 'w' element 1 is nan, expected finite numbers");
  CHECK_THROWS_WITH(check({1, 2, -kInfinity}),
                    "cannot quantize: weight 'w' element 2 is -inf, expected finite numbers");
  CHECK_THROWS_WITH(check({0, kNaN, 0}), Catch::Contains("element 1 is nan"));
  CHECK_NOTHROW(check({0, -kInfinity, -kInfinity}));
  CHECK_NOTHROW(check({-kInfinity}));
  CHECK_NOTHROW(check({0, 0}));
}

}  // namespace
}  // namespace sesame::engine
