// The dynamic form, held against its own definition in double precision.
#include <cmath>

#include "engine/quantizer/onnx_forms/onnx_forms.h"
#include "sesame/error.h"
#include "tests/files.h"
#include "tests/support/small_graph.h"

namespace sesame::engine {
namespace {

using test::SmallGraph;

// The largest difference between two tensors over the largest magnitude of the first.
double relative_error(const Tensor& want, const Tensor& got) {
  REQUIRE(want.shape() == got.shape());
  double worst = 0, most = 0;
  for (std::int64_t i = 0; i < want.size(); ++i) {
    const double error = std::fabs(want.data<float>()[i] - got.data<float>()[i]);
    worst = !(error <= worst) ? error : worst;
    most = std::max(most, std::fabs(double{want.data<float>()[i]}));
  }
  return worst / most;
}

OnnxFormOptions dynamic(std::vector<std::string> operators) {
  OnnxFormOptions options;
  options.nodes.operators = std::move(operators);
  return options;
}

// Three MatMuls and a Gemm: two share their input.
SmallGraph products(int opset = 13) {
  SmallGraph g(opset);
  const ValueId x = g.input("x", {-1, 16});
  const ValueId w = g.constant(test::random_floats({16, 8}, 1));
  const ValueId a = g.node("MatMul", {x, w});
  const ValueId b = g.node("MatMul", {x, g.constant(test::random_floats({16, 8}, 2))});
  const ValueId c = g.node("Gemm", {a, g.constant(test::random_floats({4, 8}, 3)), g.floats({1, 2, 3, 4})},
                           {{"transB", std::int64_t{1}}});
  g.output(b);
  g.output(c);
  return g;
}

TEST_CASE("weights become MatMulInteger with one DynamicQuantizeLinear an activation", "[quantizer]") {
  Graph graph = products().graph;
  const OnnxFormReport report = to_onnx_form(graph, dynamic({"MatMul", "Gemm"}));
  CHECK(report.quantized == std::map<std::string, int>{{"MatMul", 2}, {"Gemm", 1}});
  CHECK(report.notes.empty());
  CHECK(test::count(graph, "MatMulInteger") == 3);
  CHECK(test::count(graph, "DynamicQuantizeLinear") == 2);
  CHECK(test::count(graph, "MatMul") == 0);
  CHECK(test::count(graph, "Gemm") == 0);
}

TEST_CASE("every kind of weights gives nearly the floats' results", "[quantizer]") {
  const Tensor x = test::random_floats({5, 16}, 7);
  const auto want = test::run(products().graph, {x});
  for (const DType type : {DType::i8, DType::u8}) {
    for (const bool per_channel : {false, true}) {
      for (const bool reduce_range : {false, true}) {
        OnnxFormOptions options = dynamic({"MatMul", "Gemm"});
        options.weight_type = type;
        options.per_channel = per_channel;
        options.reduce_range = reduce_range;
        Graph graph = products().graph;
        to_onnx_form(graph, options);
        const auto got = test::run(graph, {x});
        // An activation is off by at most 1/510 of its range and a weight by 1/254 (1/128 in 7 bits); 16 products of
        // either sign, twice in a row.
        const double tolerance = reduce_range ? 0.05 : 0.03;
        CHECK(relative_error(want[0], got[0]) < tolerance);
        CHECK(relative_error(want[1], got[1]) < tolerance);
        CHECK(relative_error(want[0], got[0]) > 1e-4);
      }
    }
  }
}

TEST_CASE("a table is gathered as bytes and dequantized", "[quantizer]") {
  SmallGraph g;
  const ValueId ids = g.input("ids", {-1}, DType::i64);
  const Tensor table = test::random_floats({10, 6}, 1);
  g.output(g.node("Gather", {g.constant(table), ids}));
  Graph graph = g.graph;
  CHECK(to_onnx_form(graph, dynamic({"Gather"})).quantized == std::map<std::string, int>{{"Gather", 1}});
  const auto got = test::run(graph, {Tensor::of<std::int64_t>({3}, {9, 0, 4})});
  REQUIRE(got[0].shape() == Shape{3, 6});
  const Tensor want = test::run(g.graph, {Tensor::of<std::int64_t>({3}, {9, 0, 4})})[0];
  for (int i = 0; i < 18; ++i) {
    CHECK(!(std::fabs(want.data<float>()[i] - got[0].data<float>()[i]) > 0.5f / 127 * 1.0001f));
  }
}

TEST_CASE("what the dynamic form does not have stays in floats and is told", "[quantizer]") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1, 4, 4});
  const ValueId scores = g.node("MatMul", {x, x});
  const ValueId scaled =
      g.node("Gemm", {g.input("y", {4, 4}), g.constant(test::random_floats({4, 4}, 1))}, {{"alpha", 2.0f}});
  g.output(g.node("Add", {g.node("Add", {scores, scaled}), g.constant(test::random_floats({4}, 2))}));
  Graph graph = g.graph;
  const OnnxFormReport report = to_onnx_form(graph, dynamic({"MatMul", "Gemm", "Add"}));
  CHECK(report.quantized.empty());
  CHECK(report.notes.size() == 3);
  CHECK(graph.nodes.size() == g.graph.nodes.size());
}

TEST_CASE("old opsets and broken weights are refused", "[quantizer]") {
  Graph old = products(10).graph;
  CHECK(message_of<Error>([&] { to_onnx_form(old, dynamic({"MatMul"})); }) ==
        "integerops: expected opset 11 or newer, found 10");
  SmallGraph g;
  Tensor w = test::random_floats({4, 4}, 1);
  w.data<float>()[5] = std::nanf("");
  g.output(g.node("MatMul", {g.input("x", {-1, 4}), g.constant(w)}));
  const std::string message = message_of<Error>([&] { to_onnx_form(g.graph, dynamic({"MatMul"})); });
  CHECK(message.find("expected finite values to quantize") != std::string::npos);
}

}  // namespace
}  // namespace sesame::engine
