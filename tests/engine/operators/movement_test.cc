// Shapes, movement and indexing.
#include <limits>

#include "tests/catch.h"
#include "tests/support/run_operator.h"

namespace sesame::test {

using namespace engine;
using V = std::vector<double>;

constexpr std::int64_t kMin64 = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax64 = std::numeric_limits<std::int64_t>::max();

std::pair<std::string, Attribute> attribute(const char* name, std::int64_t value) { return {name, value}; }
std::pair<std::string, Attribute> attribute(const char* name, Ints value) { return {name, value}; }

TEST_CASE("Slice reads backwards and clamps any bound") {
  const Tensor x = ints({5}, {0, 1, 2, 3, 4});
  const auto slice = [&](std::int64_t start, std::int64_t end, std::int64_t step) {
    return values(run({"Slice"}, {x, ints({1}, {start}), ints({1}, {end}), ints({1}, {0}), ints({1}, {step})}));
  };
  CHECK(slice(4, 0, -1) == V{4, 3, 2, 1});
  CHECK(slice(-1, kMin64, -2) == V{4, 2, 0});
  CHECK(slice(kMax64, kMin64, kMin64) == V{4});
  CHECK(slice(kMin64, kMax64, kMax64) == V{0});
  CHECK(slice(1, -1, 2) == V{1, 3});
  CHECK(slice(3, 3, 1).empty());
  CHECK(slice(4, 1, 1).empty());
  CHECK(error_of({"Slice"}, {x, ints({1}, {0}), ints({1}, {1}), ints({1}, {0}), ints({1}, {0})}) == "a step is 0");
  CHECK(error_of({"Slice"}, {x, ints({2}, {0, 0}), ints({2}, {1, 1}), ints({2}, {0, -1})}) ==
        "axes [0, -1] name an axis twice");
  CHECK(error_of({"Slice"}, {x, ints({1}, {0}), ints({1}, {1}), ints({1}, {1})}) ==
        "axis 1 is out of range for rank 1");
  CHECK(values(run({"Slice", 9, "", {attribute("starts", Ints{1}), attribute("ends", Ints{1000})}}, {x})) ==
        V{1, 2, 3, 4});
}

TEST_CASE("Gather checks every index") {
  const Tensor x = floats({10, 2}, std::vector<float>(20, 1));
  CHECK(run({"Gather"}, {x, ints({2, 1}, {-1, 9})}).shape() == Shape{2, 1, 2});
  CHECK(error_of({"Gather"}, {x, ints({1}, {99})}) == "index 99 is out of range [-10, 10)");
  CHECK(error_of({"Gather"}, {x, ints({1}, {-11})}) == "index -11 is out of range [-10, 10)");
  CHECK(run({"Gather"}, {x, ints({0}, {})}).shape() == Shape{0, 2});
  CHECK(error_of({"Gather"}, {floats({0, 2}, {}), ints({1}, {0})}) == "index 0 is out of range [0, 0)");
  CHECK(error_of({"Gather"}, {x, floats({1}, {0})}).find("input 1 is float") == 0);
  CHECK(error_of({"GatherElements"}, {x, ints({1, 1}, {10})}) == "index 10 is out of range [-10, 10)");
  CHECK(error_of({"GatherElements"}, {x, ints({1, 3}, {0, 0, 0})}).find("indices of shape [1, 3] do not fit") == 0);
  CHECK(error_of({"GatherND"}, {x, ints({1, 2}, {0, 2})}) == "index 2 is out of range [-2, 2)");
  CHECK(error_of({"GatherND"}, {x, ints({1, 3}, {0, 0, 0})}).find("indices of shape [1, 3] do not fit") == 0);
}

TEST_CASE("scattering writes, joins and checks") {
  const Tensor x = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  const Op elements{"ScatterElements", 18, "", {attribute("axis", 1)}};
  CHECK(values(run(elements, {x, ints({2, 1}, {0, -1}), floats({2, 1}, {9, 8})})) == V{9, 2, 3, 4, 5, 8});
  Op adding = elements;
  adding.attributes.push_back({"reduction", std::string("add")});
  CHECK(values(run(adding, {x, ints({1, 2}, {1, 1}), floats({1, 2}, {10, 20})})) == V{1, 32, 3, 4, 5, 6});
  CHECK(error_of(elements, {x, ints({1, 1}, {3}), floats({1, 1}, {0})}) == "index 3 is out of range [-3, 3)");
  CHECK(values(run({"ScatterND"}, {x, ints({1, 1}, {-1}), floats({1, 3}, {7, 8, 9})})) == V{1, 2, 3, 7, 8, 9});
  CHECK(error_of({"ScatterND"}, {x, ints({1, 1}, {2}), floats({1, 3}, {7, 8, 9})}) ==
        "index 2 is out of range [-2, 2)");
  CHECK(error_of({"ScatterND"}, {x, ints({1, 1}, {0}), floats({1, 2}, {7, 8})}) ==
        "updates has shape [1, 2], expected [1, 3]");
}

TEST_CASE("Concat and Split refuse what does not fit") {
  const Tensor a = floats({1, 2}, {1, 2});
  const Op concat{"Concat", 13, "", {attribute("axis", 0)}};
  CHECK(values(run(concat, {a, floats({0, 2}, {}), a})) == V{1, 2, 1, 2});
  CHECK(error_of({"Concat"}, {a, a}) == "attribute 'axis' is missing");
  CHECK(error_of(concat, {a, floats({1, 3}, {1, 2, 3})}) == "cannot join [1, 3] to [1, 2] along axis 0");
  CHECK(error_of({"Concat", 13, "", {attribute("axis", 7)}}, {a, a}) == "axis 7 is out of range for rank 2");

  const Tensor x = ints({5}, {0, 1, 2, 3, 4});
  Op split{"Split", 13};
  split.outputs = 2;
  CHECK(error_of(split, {x}) == "cannot split 5 into 2 equal parts");
  CHECK(error_of(split, {x, ints({2}, {6, -1})}) == "cannot split 5 into 2 parts of [6, -1]");
  CHECK(values(run_operator(split, {x, ints({2}, {5, 0})})[0]).size() == 5);
  split.version = 18;
  split.attributes = {attribute("num_outputs", 2)};
  CHECK(values(run_operator(split, {x})[1]) == V{3, 4});
}

TEST_CASE("Transpose checks its permutation") {
  const Tensor x = ints({2, 3}, {0, 1, 2, 3, 4, 5});
  CHECK(values(run({"Transpose"}, {x})) == V{0, 3, 1, 4, 2, 5});
  CHECK(error_of({"Transpose", 13, "", {attribute("perm", Ints{0, 0, 1})}}, {x}) ==
        "perm [0, 0, 1] is not a permutation");
  CHECK(error_of({"Transpose", 13, "", {attribute("perm", Ints{0, 2, 1})}}, {x}) ==
        "perm [0, 2, 1] does not fit an input of rank 2");
  CHECK(run({"Transpose"}, {floats({0, 3}, {})}).shape() == Shape{3, 0});
}

TEST_CASE("Reshape infers one dimension and copies others") {
  const Tensor x = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  CHECK(run({"Reshape"}, {x, ints({2}, {0, -1})}).shape() == Shape{2, 3});
  CHECK(run({"Reshape"}, {x, ints({3}, {1, -1, 2})}).shape() == Shape{1, 3, 2});
  CHECK(error_of({"Reshape"}, {x, ints({2}, {-1, -1})}) == "shape [-1, -1] leaves two dimensions open");
  CHECK(error_of({"Reshape"}, {x, ints({2}, {4, -1})}) == "cannot reshape [2, 3] to [4, -1]");
  CHECK(error_of({"Reshape"}, {x, ints({3}, {2, 3, 0})}) == "shape [2, 3, 0] copies a dimension that [2, 3] lacks");
  const Op literal{"Reshape", 14, "", {attribute("allowzero", 1)}};
  CHECK(run(literal, {floats({0, 3}, {}), ints({2}, {3, 0})}).shape() == Shape{3, 0});
  CHECK(error_of(literal, {floats({0, 3}, {}), ints({2}, {0, -1})}) == "cannot reshape [0, 3] to [0, -1]");
  CHECK(error_of({"Reshape"}, {x, ints({2}, {std::int64_t{1} << 62, 4})}).find("overflows") != std::string::npos);
}

TEST_CASE("sizes that overflow are refused before anything is computed") {
  const std::int64_t big = std::int64_t{1} << 40;
  CHECK(error_of({"Tile"}, {floats({2, 2}, {1, 2, 3, 4}), ints({2}, {big, big})}).find("overflows") !=
        std::string::npos);
  CHECK(error_of({"Tile"}, {floats({2}, {1, 2}), ints({1}, {-1})}) == "repeats [-1] are negative");
  CHECK(error_of({"Expand"}, {floats({1}, {1}), ints({2}, {big, big})}).find("overflows") != std::string::npos);
  CHECK(error_of({"ConstantOfShape"}, {ints({2}, {big, big})}).find("overflows") != std::string::npos);
  CHECK(error_of({"ConstantOfShape"}, {ints({1}, {-1})}).find("negative") != std::string::npos);
  CHECK(error_of({"Pad"}, {floats({1}, {1}), ints({2}, {kMax64, kMax64})}) == "a dimension overflows");
  CHECK(error_of({"Range"}, {ints({}, {0}), ints({}, {kMax64}), ints({}, {1})}) == "the range has too many elements");
  CHECK(error_of({"Range"}, {ints({}, {0}), ints({}, {5}), ints({}, {0})}) == "delta is 0");
  CHECK(values(run({"Range"}, {ints({}, {5}), ints({}, {0}), ints({}, {-2})})) == V{5, 3, 1});
  CHECK(values(run({"Range"}, {ints({}, {kMax64 - 1}), ints({}, {kMax64}), ints({}, {1})})).size() == 1);
  CHECK(run({"Range"}, {ints({}, {5}), ints({}, {0}), ints({}, {2})}).shape() == Shape{0});
}

TEST_CASE("Pad fills, mirrors, repeats and cuts") {
  const Tensor x = floats({3}, {1, 2, 3});
  const auto pad = [&](const char* mode, Ints pads) {
    return values(run({"Pad", 19, "", {{"mode", std::string(mode)}}}, {x, ints({2}, pads)}));
  };
  CHECK(pad("constant", {1, 2}) == V{0, 1, 2, 3, 0, 0});
  CHECK(pad("reflect", {2, 3}) == V{3, 2, 1, 2, 3, 2, 1, 2});
  CHECK(pad("edge", {1, 1}) == V{1, 1, 2, 3, 3});
  CHECK(pad("wrap", {1, 2}) == V{3, 1, 2, 3, 1, 2});
  CHECK(pad("constant", {-1, 1}) == V{2, 3, 0});
  CHECK(error_of({"Pad", 13}, {x, ints({2}, {-2, -2})}).find("cut more than") != std::string::npos);
  CHECK(values(run({"Pad", 18}, {floats({1, 1}, {5}), ints({2}, {1, 0}), floats({}, {9}), ints({1}, {-1})})) ==
        V{9, 5});
}

TEST_CASE("Squeeze and Unsqueeze take axes as attribute or input") {
  const Tensor x = floats({1, 2, 1}, {1, 2});
  CHECK(run({"Squeeze", 11, "", {attribute("axes", Ints{0})}}, {x}).shape() == Shape{2, 1});
  CHECK(run({"Squeeze", 13}, {x, ints({1}, {-1})}).shape() == Shape{1, 2});
  CHECK(run({"Squeeze", 13}, {x}).shape() == Shape{2});
  CHECK(error_of({"Squeeze", 13}, {x, ints({1}, {1})}) == "cannot squeeze axis 1 of [1, 2, 1]");
  CHECK(run({"Unsqueeze", 13}, {x, ints({2}, {0, -1})}).shape() == Shape{1, 1, 2, 1, 1});
  CHECK(error_of({"Unsqueeze", 13}, {x, ints({2}, {0, 0})}) == "axes [0, 0] name an axis twice");
  CHECK(error_of({"Unsqueeze", 11}, {x}) == "attribute 'axes' is missing");
}

TEST_CASE("TopK, OneHot and NonZero") {
  Op top{"TopK", 11};
  top.outputs = 2;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto both = run_operator(top, {floats({5}, {1, nan, 3, 3, 2}), ints({1}, {3})});
  CHECK(values(both[1]) == V{1, 2, 3});
  CHECK(error_of(top, {floats({2}, {1, 2}), ints({1}, {3})}) == "k 3 is out of range [0, 2]");
  CHECK(values(run({"OneHot", 11}, {ints({3}, {0, -1, 5}), ints({}, {3}), floats({2}, {0, 1})})) ==
        V{1, 0, 0, 0, 0, 1, 0, 0, 0});
  CHECK(error_of({"OneHot", 11}, {ints({1}, {0}), ints({}, {-3}), floats({2}, {0, 1})}).find("depth") == 0);
  CHECK(values(run({"NonZero"}, {ints({2, 2}, {0, 1, 2, 0})})) == V{0, 1, 1, 0});
}

TEST_CASE("operators refuse what they do not know") {
  CHECK(error_of({"QuantumSoftmax"}, {}) == "unsupported operator QuantumSoftmax (domain ai.onnx, opset 17)");
  CHECK(error_of({"Add", 6}, {}) == "unsupported operator Add (domain ai.onnx, opset 6)");
}

}  // namespace sesame::test
