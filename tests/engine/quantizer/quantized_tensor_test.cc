#include "engine/quantizer/quantized_tensor.h"

#include <cmath>
#include <limits>

#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/files.h"

namespace sesame::engine {
namespace {

TEST_CASE("a symmetric range has zero point 0 and the larger magnitude at its end", "[quantizer]") {
  const Affine affine = affine_of({-2, 1}, integer_range(DType::i8, false));
  CHECK(affine.scale == 2.0f / 127);
  CHECK(affine.zero_point == 0);
  CHECK(affine_of({-2, 1}, integer_range(DType::i8, true)).scale == 4.0f / 128);
}

TEST_CASE("an asymmetric range is laid over all integers with 0 among them", "[quantizer]") {
  const Affine affine = affine_of({-1, 4}, integer_range(DType::u8, false));
  CHECK(affine.scale == 5.0f / 255);
  CHECK(affine.zero_point == 51);
  CHECK(affine_of({1, 4}, integer_range(DType::u8, false)).zero_point == 0);
  CHECK(affine_of({-4, -1}, integer_range(DType::u8, false)).zero_point == 255);
  CHECK(affine_of({-1, 4}, integer_range(DType::u8, true)).scale == 5.0f / 127);
}

TEST_CASE("a range of nothing gives scale 1", "[quantizer]") {
  CHECK(affine_of({0, 0}, integer_range(DType::i8, false)).scale == 1);
  CHECK(affine_of({0, 1e-39f}, integer_range(DType::u8, false)).scale == 1);
}

TEST_CASE("the widest floats have a finite scale", "[quantizer]") {
  const float most = std::numeric_limits<float>::max();
  CHECK(std::isfinite(affine_of({-most, most}, integer_range(DType::u8, false)).scale));
}

TEST_CASE("constants are rounded half to even by tensor or by channel", "[quantizer]") {
  const Tensor w = Tensor::of<float>({2, 2}, {127, 0.5f, -1.5f, 2.54f});
  const QuantizedTensor tensor = quantize_constant(w, integer_range(DType::i8, false));
  CHECK(tensor.values.shape() == Shape{2, 2});
  CHECK(tensor.scale.shape() == Shape{});
  CHECK(std::vector<int>(tensor.values.data<std::int8_t>(), tensor.values.data<std::int8_t>() + 4) ==
        std::vector<int>{127, 0, -2, 3});
  const QuantizedTensor columns = quantize_constant(w, integer_range(DType::i8, false), 1);
  CHECK(columns.scale.shape() == Shape{2});
  CHECK(columns.zero_point.shape() == Shape{2});
  CHECK(columns.scale.data<float>()[1] == 2.54f / 127);
  CHECK(std::vector<int>(columns.values.data<std::int8_t>(), columns.values.data<std::int8_t>() + 4) ==
        std::vector<int>{127, 25, -2, 127});
  const QuantizedTensor rows = quantize_constant(w, integer_range(DType::u8, false), 0);
  CHECK(rows.zero_point.data<std::uint8_t>()[0] == 0);
  CHECK(rows.zero_point.data<std::uint8_t>()[1] == 95);
  CHECK(rows.values.data<std::uint8_t>()[2] == 0);
  CHECK(rows.values.data<std::uint8_t>()[3] == 255);
}

TEST_CASE("NaN and infinity are refused", "[quantizer]") {
  for (const float bad : {std::nanf(""), -std::numeric_limits<float>::infinity()}) {
    CHECK_THROWS_AS(quantize_constant(Tensor::of<float>({2}, {1, bad}), integer_range(DType::i8, false)), Error);
  }
}

}  // namespace
}  // namespace sesame::engine
