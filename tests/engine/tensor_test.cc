#include "engine/tensor.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "sesame/error.h"
#include "tests/catch.h"

namespace sesame::engine {

namespace {

bool is_nan_half(std::uint16_t bits) { return (bits & 0x7FFF) > 0x7C00; }

TEST_CASE("Every half comes back from float") {
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const Half half{static_cast<std::uint16_t>(bits)};
    const float x = to_float(half);
    if (is_nan_half(half.bits)) {
      REQUIRE(std::isnan(x));
      REQUIRE(is_nan_half(to_half(x).bits));
    } else {
      REQUIRE(to_half(x).bits == half.bits);
    }
  }
}

TEST_CASE("Halves have their IEEE values") {
  CHECK(to_float({0x3C00}) == 1.0f);
  CHECK(to_float({0xC000}) == -2.0f);
  CHECK(to_float({0x7BFF}) == 65504.0f);
  CHECK(to_float({0x0001}) == 0x1p-24f);
  CHECK(to_float({0x0400}) == 0x1p-14f);
  CHECK(to_float({0xFC00}) == -std::numeric_limits<float>::infinity());
  CHECK(std::signbit(to_float({0x8000})));
}

TEST_CASE("Floats round to the nearest half, ties to even") {
  CHECK(to_half(1.0f + 0x1p-11f).bits == 0x3C00);      // half way: down to even
  CHECK(to_half(1.0f + 3 * 0x1p-11f).bits == 0x3C02);  // half way: up to even
  CHECK(to_half(1.0f + 0x1p-11f + 0x1p-20f).bits == 0x3C01);
  CHECK(to_half(65519.0f).bits == 0x7BFF);
  CHECK(to_half(65520.0f).bits == 0x7C00);
  CHECK(to_half(-1e30f).bits == 0xFC00);
  CHECK(to_half(0x1p-25f).bits == 0x0000);  // half way to the smallest: even is zero
  CHECK(to_half(0x1.8p-25f).bits == 0x0001);
  CHECK(to_half(3 * 0x1p-25f).bits == 0x0002);
  CHECK(to_half(-0.0f).bits == 0x8000);
}

TEST_CASE("Element counts refuse what cannot be") {
  CHECK(element_count({}) == 1);
  CHECK(element_count({2, 3, 4}) == 24);
  CHECK(element_count({std::int64_t{1} << 40, 0, std::int64_t{1} << 40}) == 0);
  CHECK_THROWS_AS(element_count({2, -1}), Error);
  CHECK_THROWS_AS(element_count({0, -1}), Error);
  CHECK_THROWS_AS(element_count({-1, 0}), Error);
  CHECK_THROWS_AS(element_count({std::int64_t{1} << 40, std::int64_t{1} << 40}), Error);
  CHECK_THROWS_AS(element_count({std::int64_t{1} << 60}), Error);
}

TEST_CASE("Shapes broadcast as NumPy's do") {
  CHECK(broadcast({2, 1, 4}, {3, 1}) == Shape{2, 3, 4});
  CHECK(broadcast({}, {5}) == Shape{5});
  CHECK(broadcast({1}, {0}) == Shape{0});
  CHECK_THROWS_AS(broadcast({2, 3}, {2, 4}), Error);
}

TEST_CASE("Axes count from either end") {
  CHECK(normalized_axis(-1, 3) == 2);
  CHECK(normalized_axis(0, 3) == 0);
  CHECK_THROWS_AS(normalized_axis(3, 3), Error);
  CHECK_THROWS_AS(normalized_axis(-4, 3), Error);
  CHECK_THROWS_AS(normalized_axis(0, 0), Error);
}

TEST_CASE("Tensors share memory, clones do not") {
  const Tensor a = Tensor::of<float>({2, 2}, {1, 2, 3, 4});
  CHECK(reinterpret_cast<std::uintptr_t>(a.raw()) % 64 == 0);
  const Tensor b = a.reshaped({4});
  const Tensor c = a.clone();
  a.data<float>()[0] = 9;
  CHECK(b.data<float>()[0] == 9);
  CHECK(c.data<float>()[0] == 1);
  CHECK_THROWS_AS(a.reshaped({3}), Error);
}

TEST_CASE("A described tensor has no data, an empty one has") {
  const Tensor none;
  const Tensor described(DType::f16, {2, 3});
  const Tensor empty = Tensor::allocate(DType::i64, {0});
  CHECK_FALSE(none);
  CHECK(described);
  CHECK_FALSE(described.has_data());
  CHECK(described.bytes() == 12);
  CHECK(empty.has_data());
  CHECK(empty.span<std::int64_t>().empty());
}

TEST_CASE("Integers of both widths read the same, others are refused") {
  CHECK(to_int64s(Tensor::of<std::int32_t>({2}, {-1, 7})) == std::vector<std::int64_t>{-1, 7});
  CHECK(to_int64s(Tensor::scalar<std::int64_t>(5)) == std::vector<std::int64_t>{5});
  CHECK_THROWS_AS(to_int64s(Tensor::scalar(1.0f)), Error);
}

}  // namespace

}  // namespace sesame::engine
