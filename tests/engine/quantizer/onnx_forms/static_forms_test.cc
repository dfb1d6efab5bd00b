// QDQ and QOperator, held against the floats and against each other.
#include <cmath>

#include "engine/quantizer/calibration.h"
#include "engine/quantizer/onnx_forms/onnx_forms.h"
#include "engine/quantizer/onnx_forms/scalar_sums.h"
#include "engine/quantizer/quantized_tensor.h"
#include "sesame/error.h"
#include "tests/files.h"
#include "tests/support/small_graph.h"

namespace sesame::engine {
namespace {

using test::SmallGraph;

OnnxFormOptions form(OnnxForm which, std::vector<std::string> operators) {
  OnnxFormOptions options;
  options.form = which;
  options.nodes.operators = std::move(operators);
  return options;
}

const std::vector<std::string> kAll = {"MatMul", "Gemm", "Gather", "Add", "Mul"};

// x W + b, its product with itself, a Gemm behind: every operator that static forms have but Gather.
Graph chain() {
  SmallGraph g;
  const ValueId x = g.input("x", {-1, 16});
  const ValueId y = g.node("MatMul", {x, g.constant(test::random_floats({16, 16}, 1))});
  const ValueId sum = g.node("Add", {g.constant(test::random_floats({16}, 2)), y});
  const ValueId gate = g.node("Mul", {sum, g.node("Tanh", {sum})});
  const ValueId scores = g.node("MatMul", {gate, g.node("Transpose", {gate})});
  g.output(g.node("Gemm", {gate, g.constant(test::random_floats({4, 16}, 3)), g.floats({1, 2, 3, 4})},
                  {{"transB", std::int64_t{1}}}));
  g.output(g.node("Tanh", {scores}));
  return g.graph;
}

Ranges ranges_of(const Graph& graph, const OnnxFormOptions& options, const Tensor& x) {
  Calibration calibration(graph, values_to_calibrate(graph, options), {.method = CalibrationMethod::minmax});
  calibration.observe(std::span(&x, 1));
  return calibration.ranges();
}

Tensor concatenated(const std::vector<Tensor>& tensors) {
  std::vector<float> all;
  for (const Tensor& t : tensors) all.insert(all.end(), t.data<float>(), t.data<float>() + t.size());
  return Tensor::of<float>({static_cast<std::int64_t>(all.size())}, all);
}

double signal_to_noise(const Tensor& want, const Tensor& got) {
  double signal = 0, noise = 0;
  for (std::int64_t i = 0; i < want.size(); ++i) {
    signal += std::pow(want.data<float>()[i], 2);
    noise += std::pow(want.data<float>()[i] - got.data<float>()[i], 2);
  }
  return 10 * std::log10(signal / noise);
}

TEST_CASE("static forms keep the floats' results with every kind of weights", "[quantizer]") {
  const Tensor x = test::random_floats({6, 16}, 7);
  const Tensor want = concatenated(test::run(chain(), {x}));
  for (const OnnxForm which : {OnnxForm::qdq, OnnxForm::qoperator}) {
    for (const DType type : {DType::i8, DType::u8}) {
      for (const bool per_channel : {false, true}) {
        for (const bool reduce_range : {false, true}) {
          OnnxFormOptions options = form(which, kAll);
          options.weight_type = type;
          options.per_channel = per_channel;
          options.reduce_range = reduce_range;
          Graph graph = chain();
          const auto report = to_onnx_form(graph, options, ranges_of(graph, options, x));
          CHECK(report.quantized == std::map<std::string, int>{{"MatMul", 2}, {"Gemm", 1}, {"Add", 1}, {"Mul", 1}});
          // 8 bits carry 48 dB for a value that fills its range, some five steps cost 7 of them, and none of these
          // values fills it.
          const double decibels = signal_to_noise(want, concatenated(test::run(graph, {x})));
          CHECK(decibels > (reduce_range ? 24 : 28));
          CHECK(decibels < 80);
        }
      }
    }
  }
}

TEST_CASE("qoperator computes on bytes from where floats begin to where they end", "[quantizer]") {
  Graph graph = chain();
  const OnnxFormOptions options = form(OnnxForm::qoperator, kAll);
  to_onnx_form(graph, options, ranges_of(graph, options, test::random_floats({6, 16}, 7)));
  CHECK(test::count(graph, "QLinearMatMul") == 2);
  CHECK(test::count(graph, "QGemm") == 1);
  CHECK(test::count(graph, "QLinearAdd") == 1);
  CHECK(test::count(graph, "QLinearMul") == 1);
  CHECK(test::count(graph, "QuantizeLinear") == 3);    // x, what Tanh and Transpose give
  CHECK(test::count(graph, "DequantizeLinear") == 4);  // what Tanh, Transpose, the output and Tanh read
  CHECK(test::count(graph, "MatMul") + test::count(graph, "Add") + test::count(graph, "Gemm") == 0);
}

TEST_CASE("qdq leaves a MatMul's float result to floats, and the residual as it is", "[quantizer]") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1, 8});
  const ValueId y = g.node("MatMul", {x, g.constant(test::random_floats({8, 8}, 1))});
  g.output(g.node("Add", {x, y}));
  Graph graph = g.graph;
  const OnnxFormOptions options = form(OnnxForm::qdq, {"MatMul"});
  to_onnx_form(graph, options, ranges_of(graph, options, test::random_floats({4, 8}, 2)));
  CHECK(test::count(graph, "QuantizeLinear") == 1);
  CHECK(test::count(graph, "DequantizeLinear") == 2);
  CHECK(graph.nodes.back().is("Add"));
  CHECK(graph.nodes.back().inputs[0] == graph.inputs[0]);
}

TEST_CASE("a quantized Add always ends in bytes", "[quantizer]") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1, 8});
  g.output(g.node("Add", {x, g.constant(test::random_floats({8}, 1))}));
  const OnnxFormOptions options = form(OnnxForm::qdq, {"Add"});
  to_onnx_form(g.graph, options, ranges_of(g.graph, options, test::random_floats({4, 8}, 2)));
  CHECK(test::count(g.graph, "QuantizeLinear") == 2);
  CHECK(g.graph.nodes.back().is("DequantizeLinear"));
}

TEST_CASE("masks and variances are never added in 8 bits, integers never quantized", "[quantizer]") {
  SmallGraph g;
  const ValueId mask = g.input("mask", {-1, 8}, DType::i64);
  const ValueId x = g.node("MatMul", {g.input("x", {-1, 8}), g.constant(test::random_floats({8, 8}, 1))});
  const ValueId bias = g.node("Mul", {g.node("Cast", {mask}, {{"to", std::int64_t{1}}}), g.scalar(-10000)});
  g.output(g.node("Softmax", {g.node("Add", {x, bias})}));
  g.output(g.node("Sqrt", {g.node("Add", {g.node("Mul", {x, x}), g.scalar(1e-12f)})}));
  g.output(g.node("Add", {mask, mask}));
  const OnnxFormOptions options = form(OnnxForm::qdq, {"Add"});
  CHECK(values_to_calibrate(g.graph, options).empty());
  const OnnxFormReport report = to_onnx_form(g.graph, options);
  CHECK(report.quantized.empty());
  CHECK(report.notes ==
        std::vector<std::string>{"1 Add left in fp32: a root is taken of it", "1 Add left in fp32: it adds a mask"});
}

TEST_CASE("a value without a range leaves its node in floats", "[quantizer]") {
  Graph graph = chain();
  const OnnxFormOptions options = form(OnnxForm::qdq, {"Gemm"});
  Ranges ranges = ranges_of(graph, options, test::random_floats({4, 16}, 2));
  REQUIRE(ranges.size() == 2);
  ranges.erase(ranges.begin());
  const OnnxFormReport report = to_onnx_form(graph, options, ranges);
  CHECK(report.quantized.empty());
  CHECK(report.notes.size() == 1);
  CHECK(test::count(graph, "Gemm") == 1);
}

TEST_CASE("sums with a scalar lie on one grid", "[quantizer]") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1, 8});
  const ValueId y = g.node("Add", {x, g.scalar(1)});
  g.output(y);
  Ranges ranges = {{"x", {-1, 1}}, {g.graph.value(y).name, {0, 2}}};
  align_scalar_sums(g.graph, {Role::binary}, ranges);
  const Affine in = affine_of(ranges.at("x"), integer_range(DType::u8, false));
  const Affine out = affine_of(ranges.at(g.graph.value(y).name), integer_range(DType::u8, false));
  CHECK(in.scale == Approx(1.0 / 127).epsilon(1e-6));
  CHECK(in.scale >= 2.0f / 255);
  CHECK(out.scale == Approx(in.scale).epsilon(1e-6));
  CHECK(in.zero_point == 127);
  CHECK(out.zero_point == 0);
}

TEST_CASE("scales a channel need opset 13 in qdq", "[quantizer]") {
  SmallGraph g(11);
  g.output(g.node("MatMul", {g.input("x", {-1, 8}), g.constant(test::random_floats({8, 8}, 1))}));
  OnnxFormOptions options = form(OnnxForm::qdq, {"MatMul"});
  const Ranges ranges = ranges_of(g.graph, options, test::random_floats({4, 8}, 2));
  CHECK(message_of<Error>([&] { to_onnx_form(g.graph, options, ranges); }) ==
        "qdq with scales a channel: expected opset 13 or newer, found 11");
  options.per_channel = false;
  CHECK(to_onnx_form(g.graph, options, ranges).quantized.at("MatMul") == 1);
}

}  // namespace
}  // namespace sesame::engine
