// Quantizing and quantized operators.
#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/catch.h"
#include "tests/support/run_operator.h"

namespace sesame::test {

using namespace engine;
using V = std::vector<double>;

namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

Op microsoft(const char* name, std::vector<std::pair<std::string, Attribute>> attributes = {}) {
  return {name, 1, "com.microsoft", std::move(attributes)};
}

void check_near(const Tensor& got, const Tensor& want, double tolerance) {
  REQUIRE(got.shape() == want.shape());
  const V a = values(got), b = values(want);
  for (std::size_t i = 0; i < a.size(); ++i) REQUIRE(std::fabs(a[i] - b[i]) <= tolerance);
}

}  // namespace

TEST_CASE("QuantizeLinear rounds half to even and saturates") {
  const Tensor x = floats({7}, {0.5f, 1.5f, 2.5f, -1, 1000, kNaN, -kInf});
  CHECK(values(run({"QuantizeLinear", 13}, {x, floats({}, {1}), bytes({}, {10})})) == V{10, 12, 12, 9, 255, 0, 0});
  const Tensor zero = Tensor::of<std::int8_t>({}, {0});
  CHECK(values(run({"QuantizeLinear", 13}, {x, floats({}, {1}), zero})) == V{0, 2, 2, -1, 127, -128, -128});
  CHECK(values(run({"QuantizeLinear", 13}, {floats({2}, {0, 1}), floats({}, {0})})) == V{0, 255});
}

TEST_CASE("scales and zero points are checked") {
  const Tensor x = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  const auto quantize = [&](const Tensor& scale, const Tensor& zero = Tensor()) {
    return error_of({"QuantizeLinear", 13}, {x, scale, zero});
  };
  CHECK(quantize(floats({}, {-1})) == "scale is negative");
  CHECK(quantize(floats({}, {kNaN})) == "scale is NaN");
  CHECK(quantize(floats({3}, {1, kInf, 1})) == "scale is infinite");
  CHECK(quantize(floats({2}, {1, 1})) == "scale has shape [2], expected [3]");
  CHECK(quantize(floats({}, {1}), bytes({2}, {0, 0})) == "zero point has shape [2], expected []");
  CHECK(quantize(floats({3}, {1, 1, 1}), bytes({2}, {0, 0})) == "zero point has shape [2], expected [3]");
  CHECK(quantize(floats({}, {1}), floats({}, {0})) == "zero point is float, expected int8 or uint8");
  CHECK(error_of({"DequantizeLinear", 13}, {bytes({1}, {1}), floats({}, {-1})}) == "scale is negative");
}

TEST_CASE("DequantizeLinear per axis, per block and from int32") {
  const Tensor q = bytes({2, 3}, {0, 1, 2, 3, 4, 5});
  CHECK(values(run({"DequantizeLinear", 13}, {q, floats({3}, {1, 2, 4}), bytes({3}, {0, 1, 2})})) ==
        V{0, 0, 0, 3, 6, 12});
  CHECK(values(run({"DequantizeLinear", 13, "", {{"axis", std::int64_t{0}}}}, {q, floats({2}, {1, 10})})) ==
        V{0, 1, 2, 30, 40, 50});
  const Op blocked{"DequantizeLinear", 21, "", {{"axis", std::int64_t{1}}, {"block_size", std::int64_t{2}}}};
  CHECK(values(run(blocked, {q, floats({2, 2}, {1, 10, 100, 1000})})) == V{0, 1, 20, 300, 400, 5000});
  CHECK(error_of(blocked, {q, floats({2, 1}, {1, 1})}) == "scale has shape [2, 1], expected [2, 2]");
  const Tensor wide = Tensor::of<std::int32_t>({2}, {std::numeric_limits<std::int32_t>::min(), 3});
  CHECK(values(run({"DequantizeLinear", 13}, {wide, floats({}, {1})})) == V{-2147483648.0, 3});
}

TEST_CASE("DynamicQuantizeLinear of zeros and of NaN") {
  Op op{"DynamicQuantizeLinear", 11};
  op.outputs = 3;
  const auto zeros = run_operator(op, {floats({3}, {0, 0, 0})});
  CHECK(values(zeros[0]) == V{0, 0, 0});
  CHECK(values(zeros[1]) == V{1});
  const auto nan = run_operator(op, {floats({2}, {1, kNaN})});
  CHECK(values(nan[1])[0] != values(nan[1])[0]);
  CHECK(run_operator(op, {floats({0}, {})})[0].shape() == Shape{0});
}

TEST_CASE("DynamicQuantizeMatMul and MatMulIntegerToFloat are their parts in one") {
  const Tensor a = random_floats({5, 20}, 1), b = random_bytes({20, 12}, 2), bias = random_floats({12}, 3);
  const Tensor b_scale = floats({12}, std::vector<float>(12, 0.01f)), b_zero = random_bytes({12}, 4);
  Op dynamic{"DynamicQuantizeLinear", 11};
  dynamic.outputs = 3;
  const auto q = run_operator(dynamic, {a});
  const Tensor acc = run({"MatMulInteger", 10}, {q[0], b, q[2], b_zero});
  const Tensor scales = run({"Mul"}, {q[1], b_scale});
  const Tensor want =
      run({"Add"}, {run({"Mul"}, {run({"Cast", 13, "", {{"to", std::int64_t{1}}}}, {acc}), scales}), bias});
  CHECK(same_bits(run(microsoft("DynamicQuantizeMatMul"), {a, b, b_scale, b_zero, bias}), want));
  CHECK(same_bits(run(microsoft("MatMulIntegerToFloat"), {q[0], b, q[1], b_scale, q[2], b_zero, bias}), want));
}

TEST_CASE("QGemm requantizes, or gives floats") {
  const Tensor a = random_bytes({3, 8}, 5), b = random_bytes({4, 8}, 6);
  const Tensor c = Tensor::of<std::int32_t>({4}, {100, 200, 300, 400});
  const Op op = microsoft("QGemm", {{"transB", std::int64_t{1}}});
  const std::vector<Tensor> inputs{a, floats({}, {0.5f}), bytes({}, {3}), b, floats({}, {0.25f}), bytes({}, {9}), c};
  const Tensor y = run(op, inputs);
  const Tensor acc = run({"MatMulInteger", 10}, {a, run({"Transpose"}, {b}), bytes({}, {3}), bytes({}, {9})});
  const Tensor sum = run({"Add"}, {acc, c});
  for (std::size_t i = 0; i < 12; ++i) CHECK(values(y)[i] == values(sum)[i] * 0.125);
  std::vector<Tensor> quantized = inputs;
  quantized.push_back(floats({}, {64}));
  quantized.push_back(bytes({}, {128}));
  CHECK(same_bits(run(op, quantized), run({"QuantizeLinear", 13}, {y, floats({}, {64}), bytes({}, {128})})));
  quantized.pop_back();
  CHECK(error_of(op, quantized) == "QGemm needs the output's scale and zero point, or neither");
}

TEST_CASE("elementwise operators on quantized tensors are within one step of their floats") {
  const Tensor a = random_bytes({4, 6}, 7), b = random_bytes({6}, 8);
  const Tensor sa = floats({}, {0.02f}), sb = floats({}, {0.03f}), za = bytes({}, {120}), zb = bytes({}, {7});
  const Tensor fa = run({"DequantizeLinear", 13}, {a, sa, za}), fb = run({"DequantizeLinear", 13}, {b, sb, zb});
  const Tensor sy = floats({}, {0.1f}), zy = bytes({}, {60});
  const auto quantize = [&](const Tensor& t) { return run({"QuantizeLinear", 13}, {t, sy, zy}); };
  check_near(run(microsoft("QLinearAdd"), {a, sa, za, b, sb, zb, sy, zy}), quantize(run({"Add"}, {fa, fb})), 1);
  check_near(run(microsoft("QLinearMul"), {a, sa, za, b, sb, zb, sy, zy}), quantize(run({"Mul"}, {fa, fb})), 1);
  check_near(run(microsoft("QLinearSigmoid"), {a, sa, za, floats({}, {1.0f / 255}), bytes({}, {0})}),
             run({"QuantizeLinear", 13}, {run({"Sigmoid"}, {fa}), floats({}, {1.0f / 255})}), 1);
  check_near(run(microsoft("QLinearSoftmax", {{"opset", std::int64_t{13}}}),
                 {a, sa, za, floats({}, {1.0f / 256}), bytes({}, {0})}),
             run({"QuantizeLinear", 13}, {run({"Softmax", 13}, {fa}), floats({}, {1.0f / 256})}), 1);
  const Tensor mask = Tensor::of<bool>({4, 1}, {true, false, true, false});
  check_near(run(microsoft("QLinearWhere"), {mask, a, sa, za, b, sb, zb, sy, zy}),
             quantize(run({"Where"}, {mask, fa, fb})), 1);
  const std::pair<std::string, Attribute> axis{"axis", std::int64_t{1}};
  check_near(run(microsoft("QLinearConcat", {axis}), {sy, zy, a, sa, za, a, sy, zy}),
             quantize(run({"Concat", 13, "", {axis}}, {fa, run({"DequantizeLinear", 13}, {a, sy, zy})})), 0);
  CHECK(error_of(microsoft("QLinearConcat", {axis}), {sy, zy, a, sa, za, b, sb, zb}).find("cannot join") == 0);
}

}  // namespace sesame::test
