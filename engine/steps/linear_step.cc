#include "engine/steps/linear_step.h"

#include <algorithm>
#include <utility>

#include "engine/binding.h"
#include "engine/operators/quantization.h"
#include "sesame/error.h"

namespace sesame::engine {

namespace {

constexpr std::size_t kRowsPerItem = 64;

class LinearStep final : public Step {
 public:
  explicit LinearStep(Linear linear) : linear_(std::move(linear)) {}

  void infer(Inference& io) const override { infer_linear(io, linear_.in_features(), linear_.out_features()); }

  std::size_t scratch_bytes(std::span<const Tensor>, std::span<const Tensor>) const override {
    return has_tensor_grid() ? TensorGrid::bytes(linear_) : 0;
  }
  std::size_t worker_scratch_bytes(std::span<const Tensor>, std::span<const Tensor>) const override {
    return linear_.row_bytes() == 0 ? 0 : kRowsPerItem * (linear_.row_bytes() + sizeof(float));
  }

  std::size_t weight_bytes() const override { return linear_.weight_bytes(); }
  double multiply_adds_per_row() const override {
    return static_cast<double>(linear_.in_features()) * static_cast<double>(linear_.out_features());
  }

  // Before the product, the grid of all rows where they share one.
  std::size_t phases() const override { return has_tensor_grid() ? 2 : 1; }

  std::size_t items(const Execution& e, std::size_t phase) const override {
    return phase + 1 < phases() ? 1 : (rows(e) + kRowsPerItem - 1) / kRowsPerItem;
  }

  void run(const Execution& e, std::size_t phase, std::size_t item, int worker) const override {
    if (phase + 1 < phases()) return find_grid(e);
    const std::size_t begin = item * kRowsPerItem;
    const std::size_t count = std::min(kRowsPerItem, rows(e) - begin);
    const Rows input = make_rows(e, e.inputs[0].data<float>() + begin * linear_.in_features(), count,
                                 e.worker_scratch[static_cast<std::size_t>(worker)]);
    linear_.run(*e.kernels, input, count, {}, e.outputs[0].data<float>() + begin * linear_.out_features(),
                static_cast<std::ptrdiff_t>(linear_.out_features()));
  }

 private:
  // In the step's scratch: one grid for all rows, and the sums that it starts from behind it.
  struct TensorGrid {
    DynamicParameters parameters;

    static std::size_t bytes(const Linear& linear) {
      return sizeof(TensorGrid) + kernels::round_up(linear.out_features(), kernels::kPanel) * sizeof(std::int32_t);
    }
    std::int32_t* sums() { return reinterpret_cast<std::int32_t*>(this + 1); }
  };
  static TensorGrid& grid(const Execution& e) { return *reinterpret_cast<TensorGrid*>(e.scratch); }

  bool has_tensor_grid() const {
    return linear_.precision() == LinearPrecision::int8 && linear_.scheme().rows == RowGrid::per_tensor;
  }

  std::size_t rows(const Execution& e) const {
    return static_cast<std::size_t>(e.inputs[0].size()) / linear_.in_features();
  }

  void find_grid(const Execution& e) const {
    grid(e).parameters = dynamic_parameters(e.inputs[0].data<float>(), e.inputs[0].size());
    linear_.init_sums(grid(e).parameters.zero_point, grid(e).sums());
  }

  Rows make_rows(const Execution& e, const float* x, std::size_t count, std::byte* scratch) const {
    const auto ld = static_cast<std::ptrdiff_t>(linear_.in_features());
    auto* scale = reinterpret_cast<float*>(scratch + kRowsPerItem * linear_.row_bytes());
    if (!has_tensor_grid()) return linear_.make_rows(*e.kernels, x, ld, count, scratch, scale);
    const DynamicParameters& p = grid(e).parameters;
    return linear_.make_rows(*e.kernels, x, ld, count, p.scale, p.zero_point, grid(e).sums(), scratch, scale);
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
  return std::make_shared<LinearStep>(Linear(linear_weights(graph, node), linear_scheme(node)));
}

void pack_linears(Graph& graph) {
  for (Node& node : graph.nodes) {
    if (!node.is("Linear", kSesame) || node.step) continue;
    node.step = with_node(graph, node, [&] { return make_linear_step(graph, node); });
    node.inputs.resize(1);
  }
}

}  // namespace sesame::engine
