#include "engine/quantizer/calibration.h"

#include <limits>

#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/support/small_graph.h"

namespace sesame::engine {
namespace {

using test::SmallGraph;

struct Chain : SmallGraph {
  ValueId x = input("x", {-1, 4});
  ValueId twice = node("Add", {x, x});
  ValueId root = node("Sqrt", {twice});
  Chain() { output(node("Shape", {root})); }
  std::string name(ValueId id) const { return graph.value(id).name; }
};

TEST_CASE("Ranges of named values over samples of different shapes") {
  const Chain g;
  const std::vector<std::string> names = {g.name(g.twice), "x", g.name(g.twice)};
  Calibration calibration(g.graph, names, {.method = CalibrationMethod::minmax});
  calibration.observe(std::vector{Tensor::of<float>({1, 4}, {0, 1, 2, 3})});
  calibration.observe(std::vector{Tensor::of<float>({2, 4}, {0, 1, 2, -3, 4, 0, 0, 0})});
  const std::map<std::string, Range> expected = {{"x", {-3, 4}}, {g.name(g.twice), {-6, 8}}};
  CHECK(calibration.ranges() == expected);
  CHECK(calibration.observers().all().at("x").count() == 12);
}

TEST_CASE("What observed values do not need is left out") {
  const Chain g;
  const std::vector<std::string> names = {g.name(g.twice)};
  CHECK(observed_graph(g.graph, names).nodes.size() == 1);
}

TEST_CASE("Values that nobody computes, and ones that are no floats, are refused by name") {
  const Chain g;
  CHECK_THROWS_WITH(Calibration(g.graph, std::vector<std::string>{"y"}, {}), Catch::Contains("'y'"));
  const std::string shape = g.name(g.graph.outputs[0]);
  Calibration integers(g.graph, std::vector<std::string>{shape}, {});
  const std::vector x = {Tensor::of<float>({1, 4}, {-1, 1, 2, 3})};
  CHECK_THROWS_WITH(integers.observe(x), Catch::Contains(shape) && Catch::Contains("int64"));
  Calibration roots(g.graph, std::vector<std::string>{g.name(g.root)}, {});
  CHECK_THROWS_WITH(roots.observe(x), Catch::Contains("NaN"));
}

}  // namespace
}  // namespace sesame::engine
