#include "engine/steps/linear_step.h"

#include <algorithm>
#include <utility>

#include "engine/binding.h"
#include "sesame/error.h"

namespace sesame::engine {

namespace {

constexpr std::size_t kRowsPerItem = 64;

class LinearStep final : public Step {
 public:
  explicit LinearStep(Linear linear) : linear_(std::move(linear)) {}

  void infer(Inference& io) const override { infer_linear(io, linear_.in_features(), linear_.out_features()); }

  std::size_t worker_scratch_bytes(std::span<const Tensor>, std::span<const Tensor>) const override {
    if (!linear_.reads_quantized_rows()) return 0;
    return kRowsPerItem * (Linear::quantized_row_bytes(linear_.in_features()) + sizeof(float));
  }

  std::size_t weight_bytes() const override { return linear_.weight_bytes(); }
  double multiply_adds_per_row() const override {
    return static_cast<double>(linear_.in_features()) * static_cast<double>(linear_.out_features());
  }

  std::size_t items(const Execution& e, std::size_t) const override {
    return (rows(e) + kRowsPerItem - 1) / kRowsPerItem;
  }

  void run(const Execution& e, std::size_t, std::size_t item, int worker) const override {
    const std::size_t begin = item * kRowsPerItem;
    const std::size_t count = std::min(kRowsPerItem, rows(e) - begin);
    const std::size_t in = linear_.in_features();
    const float* x = e.inputs[0].data<float>() + begin * in;
    Rows input{x, static_cast<std::ptrdiff_t>(in)};
    if (linear_.reads_quantized_rows())
      quantize(e, x, count, e.worker_scratch[static_cast<std::size_t>(worker)], input);
    linear_.run(*e.kernels, input, count, {}, e.outputs[0].data<float>() + begin * linear_.out_features(),
                static_cast<std::ptrdiff_t>(linear_.out_features()));
  }

 private:
  std::size_t rows(const Execution& e) const {
    return static_cast<std::size_t>(e.inputs[0].size()) / linear_.in_features();
  }

  void quantize(const Execution& e, const float* x, std::size_t count, std::byte* scratch, Rows& input) const {
    const std::size_t in = linear_.in_features();
    const std::size_t stride = Linear::quantized_row_bytes(in);
    auto* u8 = reinterpret_cast<std::uint8_t*>(scratch);
    auto* scale = reinterpret_cast<float*>(scratch + kRowsPerItem * stride);
    for (std::size_t m = 0; m < count; ++m) scale[m] = e.kernels->quantize_row_u8(x + m * in, in, u8 + m * stride);
    input.u8 = u8;
    input.ld_u8 = static_cast<std::ptrdiff_t>(stride);
    input.scale = scale;
  }

  Linear linear_;
};

}  // namespace

void infer_linear(Inference& io, std::size_t in_features, std::size_t out_features) {
  const Tensor& x = io.input(0);
  if (x.type() != DType::f32) throw Error("expected float rows, found " + std::string(name(x.type())));
  if (x.rank() == 0 || x.shape().back() != static_cast<std::int64_t>(in_features)) {
    throw Error("inner dimensions differ: rows " + to_string(x.shape()) + ", weight [" + std::to_string(in_features) +
                ", " + std::to_string(out_features) + "]");
  }
  Shape shape = x.shape();
  shape.back() = static_cast<std::int64_t>(out_features);
  io.output(0, DType::f32, std::move(shape));
}

std::shared_ptr<const Step> make_linear_step(const Graph& graph, const Node& node) {
  const bool int8 = node.attributes.text("precision", "fp32") == "int8";
  return std::make_shared<LinearStep>(
      Linear(linear_weights(graph, node), int8 ? LinearPrecision::int8 : LinearPrecision::fp32));
}

void pack_linears(Graph& graph) {
  for (Node& node : graph.nodes) {
    if (!node.is("Linear", kSesame) || node.step) continue;
    node.step = with_node(graph, node, [&] { return make_linear_step(graph, node); });
    node.inputs.resize(1);
  }
}

}  // namespace sesame::engine
