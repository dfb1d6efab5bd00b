#include "engine/steps/quantized_linear_step.h"

#include <algorithm>
#include <map>
#include <utility>

#include "engine/binding.h"
#include "engine/operators/quantization.h"
#include "kernels/pack.h"
#include "sesame/error.h"

namespace sesame::engine {

namespace {

// An item is a block of rows by a block of columns: its weights and its sums stay in L2. Items of the same columns
// follow each other, so that weights come from memory once.
constexpr std::size_t kRows = 128;
constexpr std::size_t kColumns = 384;
constexpr std::size_t kFewColumns = 64;  // when there are threads to feed

std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

class QuantizedLinearStep final : public Step {
 public:
  explicit QuantizedLinearStep(QuantizedLinear linear) : linear_(std::move(linear)) {}

  void infer(Inference& io) const override {
    infer_quantized_linear(io, linear_.in_features(), linear_.out_features(), linear_.output_type());
  }

  std::size_t worker_scratch_bytes(std::span<const Tensor> inputs, std::span<const Tensor>) const override {
    return linear_.scratch_bytes(std::min(kRows, rows(inputs[0])), std::min(kColumns, linear_.out_features()));
  }
  std::size_t weight_bytes() const override { return linear_.weight_bytes(); }
  double multiply_adds_per_row() const override {
    return static_cast<double>(linear_.in_features()) * static_cast<double>(linear_.out_features());
  }

  std::size_t items(const Execution& e, std::size_t) const override {
    return row_blocks(e) * ceil_div(linear_.out_features(), columns(e));
  }

  void run(const Execution& e, std::size_t, std::size_t item, int worker) const override {
    const std::size_t first = item % row_blocks(e) * kRows, begin = item / row_blocks(e) * columns(e);
    const std::size_t count = std::min(kRows, rows(e.inputs[0]) - first);
    const auto* x = static_cast<const std::byte*>(e.inputs[0].raw());
    auto* y = static_cast<std::byte*>(e.outputs[0].raw());
    const QuantizedLinear::Input input{e.inputs[0].type(), x + first * linear_.in_features(),
                                       static_cast<std::ptrdiff_t>(linear_.in_features()), scale_at(e.inputs[1], 0),
                                       zero_point_at(e.has(2) ? e.inputs[2] : Tensor(), 0)};
    linear_.run(*e.kernels, input, count, begin, std::min(columns(e), linear_.out_features() - begin),
                e.worker_scratch[static_cast<std::size_t>(worker)],
                y + first * linear_.out_features() * byte_size(linear_.output_type()),
                static_cast<std::ptrdiff_t>(linear_.out_features()));
  }

 private:
  std::size_t rows(const Tensor& x) const { return static_cast<std::size_t>(x.size()) / linear_.in_features(); }
  std::size_t row_blocks(const Execution& e) const { return ceil_div(rows(e.inputs[0]), kRows); }

  // Of an item: as many as leave each thread two items at least.
  std::size_t columns(const Execution& e) const {
    const auto threads = static_cast<std::size_t>(e.options->threads);
    if (threads == 1) return kColumns;
    const std::size_t wanted = ceil_div(2 * threads, std::max<std::size_t>(row_blocks(e), 1));
    const std::size_t even = kernels::round_up(ceil_div(linear_.out_features(), wanted), kernels::kPanel);
    return std::clamp(even, kFewColumns, kColumns);
  }

  QuantizedLinear linear_;
};

}  // namespace

void infer_quantized_linear(Inference& io, std::size_t in_features, std::size_t out_features, DType output) {
  const Tensor& x = io.input(0);
  check_type(io, 0, ByteTypes{});
  check_scale_shape("the input's scale", io.input(1), 1);
  if (io.has(2)) check_zero_point("the input's zero point", io.input(2), x.type(), 1);
  if (x.rank() == 0 || x.shape().back() != static_cast<std::int64_t>(in_features)) {
    throw Error("inner dimensions differ: rows " + to_string(x.shape()) + ", weight [" + std::to_string(in_features) +
                ", " + std::to_string(out_features) + "]");
  }
  Shape shape = x.shape();
  shape.back() = static_cast<std::int64_t>(out_features);
  io.output(0, output, std::move(shape));
}

std::shared_ptr<const Step> make_quantized_linear_step(const Graph& graph, const Node& node) {
  return std::make_shared<QuantizedLinearStep>(QuantizedLinear(quantized_linear_parts(graph, node)));
}

void pack_quantized_linears(Graph& graph) {
  // By all inputs that are packed, and the attributes.
  std::map<std::pair<std::vector<ValueId>, std::pair<bool, float>>, std::shared_ptr<const Step>> packed;
  for (Node& node : graph.nodes) {
    if (!node.is("QuantizedLinear", kSesame) || node.step) continue;
    std::shared_ptr<const Step>& step =
        packed[{{node.inputs.begin() + 3, node.inputs.end()},
                {node.attributes.integer("transposed", 0) != 0, node.attributes.real("alpha", 1)}}];
    if (!step) step = with_node(graph, node, [&] { return make_quantized_linear_step(graph, node); });
    node.step = step;
    node.inputs.resize(3);
  }
}

}  // namespace sesame::engine
