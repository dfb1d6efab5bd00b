#include <cmath>
#include <limits>

#include "tests/catch.h"
#include "tests/support/run_operator.h"

namespace sesame::test {

using namespace engine;
using V = std::vector<double>;

constexpr std::int64_t kMin64 = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax64 = std::numeric_limits<std::int64_t>::max();

TEST_CASE("binary operators broadcast") {
  const Tensor matrix = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  CHECK(values(run({"Add"}, {matrix, floats({3}, {10, 20, 30})})) == V{11, 22, 33, 14, 25, 36});
  CHECK(values(run({"Sub"}, {floats({2, 1}, {10, 20}), matrix})) == V{9, 8, 7, 16, 15, 14});
  CHECK(values(run({"Mul"}, {matrix, floats({}, {2})})) == V{2, 4, 6, 8, 10, 12});
  const Tensor outer = run({"Add"}, {floats({2, 1, 1}, {0, 10}), floats({2, 1}, {1, 2})});
  CHECK(outer.shape() == Shape{2, 2, 1});
  CHECK(values(outer) == V{1, 2, 11, 12});
}

TEST_CASE("empty tensors broadcast to empty tensors") {
  CHECK(run({"Add"}, {floats({0, 3}, {}), floats({1, 3}, {1, 2, 3})}).shape() == Shape{0, 3});
  CHECK(run({"Mul"}, {floats({2, 0}, {}), floats({1}, {1})}).shape() == Shape{2, 0});
  CHECK(run({"Where"}, {Tensor::of<bool>({1}, {true}), floats({0}, {}), floats({1}, {1})}).shape() == Shape{0});
  CHECK(error_of({"Add"}, {floats({0}, {}), floats({2}, {1, 2})}) == "shapes [0] and [2] do not broadcast");
}

TEST_CASE("binary operators refuse mixed and foreign types") {
  CHECK(error_of({"Add"}, {floats({1}, {1}), ints({1}, {1})}) ==
        "input 0 is float and input 1 is int64, expected one type");
  CHECK(error_of({"Add"}, {Tensor::of<bool>({1}, {true}), Tensor::of<bool>({1}, {true})}).find("input 0 is bool") == 0);
  CHECK(error_of({"And"}, {ints({1}, {1}), ints({1}, {1})}) == "input 0 is int64, expected bool");
  CHECK(error_of({"Add"}, {floats({1}, {1})}) == "Add needs 2 inputs, found 1");
}

TEST_CASE("integer arithmetic is defined for all operands") {
  const auto one = [](std::int64_t x) { return ints({1}, {x}); };
  CHECK(run({"Add"}, {one(kMax64), one(1)}).data<std::int64_t>()[0] == kMin64);
  CHECK(run({"Mul"}, {one(kMax64), one(2)}).data<std::int64_t>()[0] == -2);
  CHECK(run({"Neg"}, {one(kMin64)}).data<std::int64_t>()[0] == kMin64);
  CHECK(run({"Abs"}, {one(kMin64)}).data<std::int64_t>()[0] == kMin64);
  CHECK(run({"Div"}, {one(kMin64), one(-1)}).data<std::int64_t>()[0] == kMin64);
  CHECK(run({"Div"}, {one(-7), one(2)}).data<std::int64_t>()[0] == -3);
  CHECK(error_of({"Div"}, {one(1), one(0)}) == "integer division by zero");
  CHECK(error_of({"Mod"}, {one(1), one(0)}) == "integer division by zero");
  CHECK(run({"Mod"}, {one(kMin64), one(-1)}).data<std::int64_t>()[0] == 0);
  CHECK(run({"Mod"}, {one(-7), one(3)}).data<std::int64_t>()[0] == 2);
  CHECK(run({"Mod", 17, "", {{"fmod", std::int64_t{1}}}}, {one(-7), one(3)}).data<std::int64_t>()[0] == -1);
  CHECK(error_of({"Mod"}, {floats({1}, {1}), floats({1}, {1})}) == "attribute 'fmod' must be 1 for floats");
}

TEST_CASE("powers mix types and keep the base's") {
  CHECK(values(run({"Pow"}, {floats({3}, {1, -2, 3}), floats({}, {2})})) == V{1, 4, 9});
  CHECK(values(run({"Pow"}, {floats({3}, {1, -2, 3}), ints({}, {3})})) == V{1, -8, 27});
  CHECK(values(run({"Pow"}, {floats({2}, {4, 9}), floats({1}, {0.5f})})) == V{2, 3});
  CHECK(values(run({"Pow"}, {ints({4}, {2, 1, -1, 5}), ints({4}, {-1, -5, -3, 0})})) == V{0, 1, -1, 1});
  CHECK(error_of({"Pow"}, {ints({1}, {0}), ints({1}, {-1})}) == "0 to a negative power");
  CHECK(run({"Pow"}, {floats({2}, {4, 9}), floats({1, 1}, {2})}).shape() == Shape{1, 2});
}

TEST_CASE("casts to integers never leave the defined") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor x = floats({6}, {1.9f, -1.9f, 3e9f, -3e38f, nan, 300});
  const auto cast = [&](std::int64_t to) { return values(run({"Cast", 13, "", {{"to", to}}}, {x})); };
  const double low = std::numeric_limits<std::int32_t>::min();
  CHECK(cast(6) == V{1, -1, low, low, low, 300});
  CHECK(cast(7) == V{1, -1, 3e9, static_cast<double>(kMin64), static_cast<double>(kMin64), 300});
  CHECK(cast(2) == V{1, 255, 0, 0, 0, 44});
  CHECK(cast(9) == V{1, 1, 1, 1, 1, 1});
  CHECK(error_of({"Cast", 13, "", {{"to", std::int64_t{8}}}}, {x}).find("unsupported element type") == 0);
  CHECK(values(run({"Cast", 13, "", {{"to", std::int64_t{10}}}}, {floats({3}, {65519, 65520, 1e-8f})})) ==
        V{65504, std::numeric_limits<double>::infinity(), 0});
}

TEST_CASE("float16 is computed as float32 and rounded once") {
  // 2049 is no float16: the sum rounds to even.
  CHECK(values(run({"Add"}, {halves({1}, {2048}), halves({1}, {1})})) == V{2048});
  CHECK(values(run({"Sqrt"}, {halves({2}, {4, 2})}))[1] == Approx(1.4142135).epsilon(5e-4));
}

TEST_CASE("Clip takes bounds as attributes or inputs") {
  const Tensor x = floats({3}, {-2, 0, 2});
  CHECK(values(run({"Clip", 6, "", {{"min", -1.0f}, {"max", 1.0f}}}, {x})) == V{-1, 0, 1});
  CHECK(values(run({"Clip", 13}, {x, Tensor(), floats({}, {1})})) == V{-2, 0, 1});
  CHECK(values(run({"Clip", 13}, {x, floats({}, {-1})})) == V{-1, 0, 2});
  CHECK(error_of({"Clip", 13}, {x, ints({}, {0})}).find("input 0 is float and input 1 is int64") == 0);
  CHECK(error_of({"Clip", 13}, {x, floats({2}, {0, 1})}) == "a bound has shape [2], expected a scalar");
}

TEST_CASE("functions of floats agree with libm and with each other at every level") {
  const Tensor x = random_floats({1000}, 1);
  const struct {
    const char* name;
    double (*function)(double);
  } all[] = {{"Exp", std::exp}, {"Erf", std::erf}, {"Tanh", std::tanh}, {"Sin", std::sin}, {"Atan", std::atan}};
  for (const auto& f : all) {
    INFO(f.name);
    const Tensor first = run_operator({f.name}, {x}, kernels::Isa::scalar)[0];
    for (std::int64_t i = 0; i < x.size(); ++i) {
      REQUIRE(std::fabs(double{first.data<float>()[i]} - f.function(double{x.data<float>()[i]})) <= 1e-6);
    }
    for (const kernels::Isa isa : kernels::supported_isas())
      CHECK(same_bits(run_operator({f.name}, {x}, isa)[0], first));
  }
  const Tensor sigmoid = run({"Sigmoid"}, {floats({3}, {-200, 0, 200})});
  CHECK(values(sigmoid)[0] >= 0);
  CHECK(values(sigmoid)[0] < 1e-30);
  CHECK(values(sigmoid)[1] == 0.5);
  CHECK(values(sigmoid)[2] == 1);
}

TEST_CASE("NaN goes through Max, Min, Relu and Clip") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor x = floats({2}, {nan, 1});
  const auto first_is_nan = [](const Tensor& t) { return values(t)[0] != values(t)[0]; };
  CHECK(first_is_nan(run({"Max"}, {x, floats({2}, {0, 0})})));
  CHECK(first_is_nan(run({"Min"}, {floats({2}, {0, 0}), x})));
  CHECK(first_is_nan(run({"Relu"}, {x})));
  CHECK(first_is_nan(run({"Clip"}, {x, floats({}, {0}), floats({}, {1})})));
}

}  // namespace sesame::test
