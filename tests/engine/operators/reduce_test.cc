// Reductions, softmaxes and normalizations.
#include <cmath>
#include <limits>

#include "tests/catch.h"
#include "tests/support/run_operator.h"

namespace sesame::test {

using namespace engine;
using V = std::vector<double>;

TEST_CASE("reductions take axes as attribute or input") {
  const Tensor x = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  CHECK(values(run({"ReduceSum", 11, "", {{"axes", Ints{0}}}}, {x})) == V{5, 7, 9});
  CHECK(values(run({"ReduceSum", 13}, {x, ints({1}, {-1})})) == V{6, 15});
  CHECK(values(run({"ReduceMean", 13, "", {{"axes", Ints{-1}}}}, {x})) == V{2, 5});
  CHECK(values(run({"ReduceMean", 18}, {x, ints({1}, {1})})) == V{2, 5});
  CHECK(values(run({"ReduceMax", 18}, {x})) == V{6});
  CHECK(run({"ReduceMax", 18, "", {{"keepdims", std::int64_t{0}}}}, {x}).shape() == Shape{});
  const Op noop{"ReduceSum", 13, "", {{"noop_with_empty_axes", std::int64_t{1}}}};
  CHECK(same_bits(run(noop, {x}), x));
  CHECK(same_bits(run(noop, {x, ints({0}, {})}), x));
  CHECK(error_of({"ReduceSum", 13}, {x, ints({1}, {2})}) == "axis 2 is out of range for rank 2");
  CHECK(values(run({"ReduceL1", 13}, {floats({2}, {-3, 4})})) == V{7});
  CHECK(values(run({"ReduceLogSumExp", 13}, {floats({2}, {1000, 1000})}))[0] == Approx(1000 + std::log(2.0)));
  CHECK(values(run({"ReduceProd", 13}, {ints({3}, {2, 3, 4})})) == V{24});
}

TEST_CASE("reductions of nothing") {
  CHECK(values(run({"ReduceSum", 13}, {floats({2, 0}, {}), ints({1}, {1})})) == V{0, 0});
  CHECK(values(run({"ReduceProd", 13}, {floats({0}, {})})) == V{1});
  CHECK(values(run({"ReduceMean", 13}, {ints({0}, {})})) == V{0});
  CHECK(run({"ReduceMax", 18}, {floats({0, 2}, {}), ints({1}, {1})}).shape() == Shape{0, 1});
  CHECK(error_of({"ReduceMax", 18}, {floats({0, 2}, {}), ints({1}, {0})}) ==
        "an input of shape [0, 2] has no elements to choose from");
  CHECK(error_of({"ArgMax", 13}, {floats({0, 2}, {})}) == "axis 0 is empty");
}

TEST_CASE("a reduction does not depend on where its axes lie") {
  const Tensor x = run({"Exp"}, {random_floats({37, 50}, 1)});
  const Tensor y = run({"Transpose"}, {x});
  CHECK(same_bits(run({"ReduceMean", 18, "", {{"keepdims", std::int64_t{0}}}}, {x, ints({1}, {1})}),
                  run({"ReduceMean", 18, "", {{"keepdims", std::int64_t{0}}}}, {y, ints({1}, {0})})));
  CHECK(same_bits(run({"Softmax", 13}, {x}),
                  run({"Transpose"}, {run({"Softmax", 13, "", {{"axis", std::int64_t{0}}}}, {y})})));
}

TEST_CASE("Softmax flattens before opset 13") {
  const Tensor x = random_floats({2, 3, 4}, 2);
  const Tensor old = run({"Softmax", 11}, {x});
  const Tensor flat = run({"Softmax", 13}, {run({"Reshape"}, {x, ints({2}, {2, 12})})});
  CHECK(values(old) == values(flat));
  double sum = 0;
  for (double p : values(old)) sum += p;
  CHECK(sum == Approx(2));
  CHECK(run({"Softmax", 13}, {floats({3, 0}, {})}).shape() == Shape{3, 0});
  CHECK(error_of({"Softmax", 13}, {floats({}, {1})}) == "axis -1 is out of range for rank 0");
  const V logs = values(run({"LogSoftmax", 13}, {floats({2}, {1000, 0})}));
  CHECK(logs[0] == Approx(0).margin(1e-6));
  CHECK(logs[1] == Approx(-1000));
}

TEST_CASE("LayerNormalization in three types, with its statistics") {
  const Tensor x = random_floats({3, 40}, 3);
  const Tensor gamma = random_floats({40}, 4), beta = random_floats({40}, 5);
  Op op{"LayerNormalization", 17};
  op.outputs = 3;
  const auto y = run_operator(op, {x, gamma, beta});
  CHECK(y[1].shape() == Shape{3, 1});
  const auto cast = [](const Tensor& t, std::int64_t to) { return run({"Cast", 13, "", {{"to", to}}}, {t}); };
  const auto exact = run_operator(op, {cast(x, 11), cast(gamma, 11), cast(beta, 11)});
  const auto half = run_operator(op, {cast(x, 10), cast(gamma, 10), cast(beta, 10)});
  for (std::size_t i = 0; i < 3; ++i) {
    const V want = values(exact[i]), got = values(y[i]), rough = values(half[i]);
    for (std::size_t j = 0; j < want.size(); ++j) {
      REQUIRE(std::fabs(got[j] - want[j]) <= 1e-5);
      REQUIRE(std::fabs(rough[j] - want[j]) <= 5e-3);
    }
  }
  CHECK(half[1].type() == DType::f32);
  CHECK(error_of(op, {x, floats({39}, std::vector<float>(39, 1))}).find("does not broadcast to [40]") !=
        std::string::npos);
}

TEST_CASE("SkipLayerNormalization is a sum and a LayerNormalization") {
  const Tensor x = random_floats({2, 3, 24}, 6), skip = random_floats({3, 24}, 7), bias = random_floats({24}, 8);
  const Tensor gamma = random_floats({24}, 9), beta = random_floats({24}, 10);
  Op op{"SkipLayerNormalization", 1, "com.microsoft", {{"epsilon", 1e-5f}}};
  op.outputs = 4;
  const auto y = run_operator(op, {x, skip, gamma, beta, bias});
  const Tensor sum = run({"Add"}, {run({"Add"}, {x, skip}), bias});
  CHECK(same_bits(y[3], sum));
  CHECK(same_bits(y[0], run({"LayerNormalization", 17}, {sum, gamma, beta})));
}

}  // namespace sesame::test
