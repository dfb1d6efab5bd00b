#include "engine/linear_scheme.h"

#include <cmath>
#include <limits>

#include "engine/linear.h"
#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/support/small_graph.h"

namespace sesame::engine {
namespace {

using test::random_floats;

TEST_CASE("A scheme survives being written on a node") {
  LinearScheme scheme = LinearPrecision::int8;
  scheme.weights = {.largest = 63, .one_scale = true};
  scheme.rows = RowGrid::fixed;
  scheme.row_scale = 0.25f;
  scheme.row_zero_point = 7;
  scheme.multiplier = random_floats({4}, 1).clone();
  for (std::int64_t i = 0; i < 4; ++i) scheme.multiplier.data<float>()[i] = 1.0f + static_cast<float>(i);
  Node node;
  node.attributes.set("transposed", std::int64_t{1});
  set_linear_scheme(node, scheme);
  const LinearScheme read = linear_scheme(node);
  CHECK(read.weights.largest == 63);
  CHECK(read.weights.one_scale);
  CHECK(read.row_zero_point == 7);
  CHECK(same_rows(read, scheme));
  CHECK(node.attributes.integer("transposed") == 1);
  set_linear_scheme(node, LinearPrecision::fp32);
  CHECK(node.attributes.all().size() == 1);
  CHECK_FALSE(same_rows(linear_scheme(node), scheme));
}

TEST_CASE("Schemes that make no sense are refused") {
  const auto refused = [](const char* name, Attribute value) {
    Node node;
    node.attributes.set("precision", std::string("int8"));
    node.attributes.set(name, std::move(value));
    CHECK_THROWS_AS(linear_scheme(node), Error);
  };
  refused("precision", std::string("int4"));
  refused("rows", std::string("column"));
  refused("row_scale", 0.0f);
  refused("row_scale", -1.0f);
  refused("row_scale", std::numeric_limits<float>::infinity());
  refused("row_zero_point", std::int64_t{256});
  refused("weight_largest", std::int64_t{128});
  refused("one_weight_scale", std::int64_t{2});
  refused("multiplier", Tensor::of<float>({2}, {1, 0}));
  refused("multiplier", Tensor::of<std::int64_t>({2}, {1, 1}));
}

TEST_CASE("Fixed rows are x / scale + zero point, and the Linear takes the zero point off again") {
  const std::int64_t in = 37, out = 20, rows = 5;
  const LinearWeights w{random_floats({in, out}, 1), random_floats({out}, 2), false};
  const Tensor x = random_floats({rows, in}, 3);
  LinearScheme scheme = LinearPrecision::int8;
  scheme.rows = RowGrid::fixed;
  scheme.row_scale = 2.0f / 255;
  scheme.row_zero_point = 100;
  const Linear linear(w, scheme);
  const kernels::Table& kernels = kernels::table(kernels::default_isa());
  std::vector<std::byte> made(static_cast<std::size_t>(rows) * linear.row_bytes());
  std::vector<float> scale(static_cast<std::size_t>(rows)), y(static_cast<std::size_t>(rows * out));
  const Rows read = linear.make_rows(kernels, x.data<float>(), in, 5, made.data(), scale.data());
  linear.run(kernels, read, 5, {}, y.data(), out);
  for (std::int64_t m = 0; m < rows; ++m) {
    for (std::int64_t n = 0; n < out; ++n) {
      double sum = w.bias.data<float>()[n];
      for (std::int64_t k = 0; k < in; ++k) {
        const double v = x.data<float>()[m * in + k];
        // What 8 bits from -100 to 155 steps hold.
        const double held = std::min(std::max(v, -100 * 2.0 / 255), 155 * 2.0 / 255);
        sum += held * w.weight.data<float>()[k * out + n];
      }
      // Half a step of either factor, values below 1.
      CHECK(std::abs(y[static_cast<std::size_t>(m * out + n)] - sum) <= in * (1.0 / 255 + 1.0 / 127 / 2) * 1.1);
    }
  }
}

TEST_CASE("A packed Linear in parts gives the bits of one packed at once, as a view where its parts adjoin") {
  for (const LinearPrecision precision : {LinearPrecision::fp32, LinearPrecision::int8}) {
    const LinearWeights a{random_floats({24, 32}, 1), random_floats({32}, 2), false};
    const LinearWeights b{random_floats({24, 16}, 3), {}, false};
    const std::vector<LinearWeights> raw = {a, b};
    const PackedLinear whole = Linear(raw, precision).packed();
    std::vector<LinearWeights> parts(2);
    parts[0].packed = Linear(a, precision).packed();
    parts[1].packed = Linear(b, precision).packed();
    const PackedLinear copied = Linear(parts, precision).packed();
    CHECK(test::equal_bits(copied.weight, whole.weight));
    CHECK(test::equal_bits(copied.bias, whole.bias));
    CHECK(copied.weight.raw() != parts[0].packed->weight.raw());
    // The same two parts inside the whole.
    const auto slice = [](const Tensor& t, std::int64_t begin, std::int64_t size) {
      if (!t) return Tensor();
      const auto* at = static_cast<const std::byte*>(t.raw()) + begin * static_cast<std::int64_t>(byte_size(t.type()));
      return Tensor::view(t.type(), {size}, at);
    };
    for (auto field : {&PackedLinear::weight, &PackedLinear::bias, &PackedLinear::scale, &PackedLinear::acc_init}) {
      const std::int64_t first = ((*parts[0].packed).*field) ? ((*parts[0].packed).*field).size() : 0;
      const std::int64_t second = first == 0 ? 0 : ((*parts[1].packed).*field).size();
      (*parts[0].packed).*field = slice(whole.*field, 0, first);
      (*parts[1].packed).*field = slice(whole.*field, first, second);
    }
    CHECK(Linear(parts, precision).packed().weight.raw() == whole.weight.raw());
    parts[1] = b;
    CHECK_THROWS_AS(Linear(parts, precision), Error);
  }
}

}  // namespace
}  // namespace sesame::engine
