// An encoder whose projections are convolutions, quantized as ONNX Runtime's quantizers do it: as many layers as its
// float self, and the answers of its operators.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/catch.h"
#include "tests/files.h"
#include "tests/models/prepared.h"
#include "tests/support/conformance.h"

namespace sesame::models {
namespace {

using engine::DType;
using engine::Graph;
using engine::Node;
using engine::Tensor;
using engine::ValueId;

// Puts quantized convolutions in the place of a graph's own.
class Quantizing {
 public:
  Quantizing(Graph& graph, bool dynamic) : graph_(graph), dynamic_(dynamic) {}

  void run() {
    for (Node& node : std::exchange(graph_.nodes, {})) {
      if (node.is("Conv")) {
        dynamic_ ? to_integers(node) : to_bytes(node);
      } else {
        graph_.nodes.push_back(std::move(node));
      }
    }
  }

 private:
  static constexpr float kWeightScale = 0.004f, kScale = 0.04f;

  ValueId constant(Tensor t) { return graph_.add_constant(name(), std::move(t)); }
  ValueId number(float value) { return constant(Tensor::scalar(value)); }
  std::string name() { return "made_" + std::to_string(graph_.value_count()); }

  std::vector<ValueId> add(const std::string& op, std::vector<ValueId> inputs, std::size_t outputs,
                           const engine::Attributes& attributes = {}) {
    Node node;
    node.op = op;
    node.version = 13;
    node.name = name();
    node.inputs = std::move(inputs);
    for (std::size_t i = 0; i < outputs; ++i) node.outputs.push_back(graph_.add_value(name()));
    node.attributes = attributes;
    graph_.nodes.push_back(node);
    return node.outputs;
  }

  Tensor bytes_of(const Tensor& w) {
    Tensor bytes = Tensor::allocate(DType::i8, w.shape());
    for (std::int64_t i = 0; i < w.size(); ++i) {
      const float q = std::nearbyint(w.data<float>()[i] / kWeightScale);
      bytes.data<std::int8_t>()[i] = static_cast<std::int8_t>(std::clamp(q, -127.0f, 127.0f));
    }
    return bytes;
  }

  void finish(const Node& conv) { graph_.nodes.back().outputs = conv.outputs; }

  void to_integers(const Node& conv) {
    const auto x = add("DynamicQuantizeLinear", {conv.input(0)}, 3);
    const ValueId w = constant(bytes_of(graph_.constant(conv.input(1))));
    const ValueId zero = constant(Tensor::scalar<std::int8_t>(0));
    const ValueId sums = add("ConvInteger", {x[0], w, x[2], zero}, 1, conv.attributes)[0];
    engine::Attributes to_float;
    to_float.set("to", std::int64_t{1});
    const ValueId floats = add("Cast", {sums}, 1, to_float)[0];
    const ValueId scale = add("Mul", {x[1], number(kWeightScale)}, 1)[0];
    const ValueId scaled = add("Mul", {floats, scale}, 1)[0];
    const Tensor& bias = graph_.constant(conv.input(2));
    Tensor by_channel = Tensor::allocate(DType::f32, {1, bias.size(), 1});
    std::copy_n(bias.data<float>(), bias.size(), by_channel.data<float>());
    add("Add", {scaled, constant(by_channel)}, 1);
    finish(conv);
  }

  void to_bytes(const Node& conv) {
    const ValueId zero = constant(Tensor::scalar<std::uint8_t>(128)), w_zero = constant(Tensor::scalar<std::int8_t>(0));
    const ValueId x = add("QuantizeLinear", {conv.input(0), number(kScale), zero}, 1)[0];
    const ValueId w = constant(bytes_of(graph_.constant(conv.input(1))));
    const Tensor& bias = graph_.constant(conv.input(2));
    Tensor integers = Tensor::allocate(DType::i32, {bias.size()});
    for (std::int64_t i = 0; i < bias.size(); ++i) {
      integers.data<std::int32_t>()[i] =
          static_cast<std::int32_t>(std::nearbyint(bias.data<float>()[i] / (kScale * kWeightScale)));
    }
    const ValueId y =
        add("QLinearConv",
            {x, number(kScale), zero, w, number(kWeightScale), w_zero, number(kScale), zero, constant(integers)}, 1,
            conv.attributes)[0];
    add("DequantizeLinear", {y, number(kScale), zero}, 1);
    finish(conv);
  }

  Graph& graph_;
  bool dynamic_;
};

}  // namespace

TEST_CASE("Encoders of quantized convolutions are recognised and give what their operators give") {
  const auto shared = shared_material("conformance/models/squeezebert-seqcls-op13");
  if (!shared) return;
  const int layers = prepare(normal_graph(*shared / "model.onnx")).recognition.layers_recognised;
  REQUIRE(layers > 0);
  for (const bool dynamic : {true, false}) {
    INFO((dynamic ? "ConvInteger" : "QLinearConv"));
    Graph graph = engine::read_onnx(*shared / "model.onnx");
    engine::fold_constants(graph);
    Quantizing(graph, dynamic).run();
    const auto operators = prepare(graph, {.recognise = false});
    engine::to_normal_forms(graph);
    const auto fused = prepare(graph);
    CHECK(fused.recognition.layers_recognised == layers);
    for (const Unfused& each : fused.recognition.unfused) FAIL_CHECK(each.node + ": " + each.expected);
    for (const auto& set : test::read_data_sets(*shared)) {
      const auto want = test::run(*operators.plan, set.inputs);
      const auto got = test::run(*fused.plan, set.inputs);
      REQUIRE(got.size() == want.size());
      for (std::size_t i = 0; i < got.size(); ++i) {
        float largest = 0;
        for (float x : want[i].span<float>()) largest = std::max(largest, std::fabs(x));
        for (std::int64_t k = 0; k < got[i].size(); ++k) {
          CHECK(!(std::fabs(got[i].data<float>()[k] - want[i].data<float>()[k]) > 1e-3f * largest));
        }
      }
    }
  }
}

}  // namespace sesame::models
