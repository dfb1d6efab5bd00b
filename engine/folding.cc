#include "engine/folding.h"

#include <algorithm>
#include <array>
#include <memory>
#include <numeric>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/onnx_types.h"
#include "engine/step.h"
#include "kernels/table.h"
#include "sesame/error.h"

namespace sesame::engine {

namespace {

// A node is folded when its outputs take no more than this, or than kMaxGrowth times its inputs.
constexpr std::size_t kSmallResult = std::size_t{16} << 20;
constexpr std::size_t kMaxGrowth = 4;
// Bytes read and written by all folded nodes together: this, and kMaxPasses times what the graph's constants hold.
constexpr std::size_t kFreeTraffic = std::size_t{256} << 20;
constexpr std::size_t kMaxPasses = 16;
// Multiply-adds of a node that sums over products, bounded by output elements times elements of the first input (of a
// MatMul: those of one of its rows); and of all of them together.
constexpr std::int64_t kMaxProducts = std::int64_t{1} << 30;
constexpr std::int64_t kMaxAllProducts = std::int64_t{1} << 35;

template <std::size_t N>
bool is_one_of(const Node& node, const std::array<std::string_view, N>& ops) {
  return node.domain == kOnnx && std::find(ops.begin(), ops.end(), node.op) != ops.end();
}

constexpr std::array<std::string_view, 2> kQuantized = {"QuantizeLinear", "DequantizeLinear"};
constexpr std::array<std::string_view, 5> kRandom = {"RandomNormal", "RandomNormalLike", "RandomUniform",
                                                     "RandomUniformLike", "Bernoulli"};
constexpr std::array<std::string_view, 6> kSumsOfProducts = {"MatMul", "Gemm",          "Einsum",
                                                             "Conv",   "MatMulInteger", "QLinearMatMul"};
// Operators whose output has the type of their first input, or one type always.
constexpr std::array<std::string_view, 24> kTypeOfFirstInput = {
    "Add",    "Sub",     "Mul",       "Div",       "Neg",     "Abs",        "Sqrt",   "Pow",
    "Exp",    "Tanh",    "Erf",       "MatMul",    "Gather",  "Slice",      "Concat", "Reshape",
    "Expand", "Squeeze", "Unsqueeze", "Transpose", "Softmax", "ReduceMean", "Split",  "Clip"};
constexpr std::array<std::string_view, 4> kInt64s = {"Shape", "Size", "ArgMax", "NonZero"};
constexpr std::array<std::string_view, 9> kBools = {"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual",
                                                    "And",   "Or",   "Not",         "IsNaN"};

// The outputs as shape inference describes them, undefined where it describes none; nothing when it depends on values
// that the inputs do not hold.
std::optional<std::vector<Tensor>> infer_outputs(const Step& step, const std::vector<Tensor>& inputs,
                                                 std::size_t count) {
  std::vector<Tensor> outputs(count);
  try {
    Inference io(inputs, outputs);
    step.infer(io);
  } catch (const NeedsValue&) {
    return std::nullopt;
  }
  return outputs;
}

void compute(const Step& step, const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs) {
  for (Tensor& output : outputs) {
    if (output) output = Tensor::allocate(output.type(), output.shape());
  }
  run_alone(step, inputs, outputs, kernels::table(kernels::default_isa()), RunOptions{});
}

class Folding {
 public:
  Folding(Graph& graph, Folded folded)
      : graph_(graph), folded_(folded), forward_(graph.value_count()), types_(graph.value_count()) {
    std::iota(forward_.begin(), forward_.end(), 0);
    count_reads();
    std::size_t constant_bytes = 0;
    for (std::size_t v = 0; v < graph.value_count(); ++v) {
      const Value& value = graph.value(static_cast<ValueId>(v));
      types_[v] = value.constant ? value.constant.type() : value.declared_type;
      if (value.constant) constant_bytes += value.constant.bytes();
    }
    traffic_left_ = kFreeTraffic + kMaxPasses * constant_bytes;
  }

  void run() {
    for (Node& node : graph_.nodes) {
      for (ValueId& id : node.inputs) id = resolved(id);
      if (!elide(node) && !fold(node)) keep(std::move(node));
    }
    graph_.nodes = std::move(kept_);
    for (Node& node : graph_.nodes) {
      for (ValueId& id : node.inputs) id = resolved(id);
    }
    for (ValueId& id : graph_.outputs) id = resolved(id);
  }

 private:
  static std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }

  void count_reads() {
    reads_.resize(graph_.value_count());
    producer_.assign(graph_.value_count(), -1);
    is_output_.resize(graph_.value_count());
    for (const Node& node : graph_.nodes) {
      for (ValueId id : node.inputs) {
        if (id != kNoValue) ++reads_[at(id)];
      }
    }
    for (ValueId id : graph_.outputs) is_output_[at(id)] = true;
  }

  ValueId resolved(ValueId id) const {
    while (id != kNoValue && forward_[at(id)] != id) id = forward_[at(id)];
    return id;
  }

  void keep(Node node) {
    infer_type(node);
    for (ValueId id : node.outputs) {
      if (id != kNoValue) producer_[at(id)] = static_cast<int>(kept_.size());
    }
    kept_.push_back(std::move(node));
  }

  void infer_type(const Node& node) {
    std::optional<DType> type;
    if (node.is("Cast")) type = dtype_from_onnx(node.attributes.integer("to", 0));
    if (is_one_of(node, kTypeOfFirstInput) && node.input(0) != kNoValue) type = types_[at(node.input(0))];
    if (node.is("Where") && node.input(1) != kNoValue) type = types_[at(node.input(1))];
    if (is_one_of(node, kInt64s)) type = DType::i64;
    if (is_one_of(node, kBools)) type = DType::boolean;
    for (ValueId id : node.outputs) {
      if (id != kNoValue) types_[at(id)] = type;
    }
  }

  // --- Nodes that hand their first input through ---

  bool hands_through(const Node& node) const {
    if (node.inputs.empty() || node.outputs.empty()) return false;
    if (node.input(0) == kNoValue || node.outputs[0] == kNoValue) return false;
    if (node.is("Identity")) return node.inputs.size() == 1 && node.outputs.size() == 1;
    if (node.is("Dropout")) return is_inference_dropout(node);
    if (!node.is("Cast") || node.inputs.size() != 1 || node.outputs.size() != 1) return false;
    const auto to = dtype_from_onnx(node.attributes.integer("to", 0));
    return to && types_[at(node.input(0))] == to;
  }

  bool is_inference_dropout(const Node& node) const {
    if (node.version < 7) return false;
    for (std::size_t i = 1; i < node.outputs.size(); ++i) {
      const ValueId mask = node.outputs[i];
      if (mask != kNoValue && (reads_[at(mask)] > 0 || is_output_[at(mask)])) return false;
    }
    const ValueId training = node.input(2);
    if (training == kNoValue) return true;
    const Tensor& constant = graph_.constant(training);
    return constant && constant.type() == DType::boolean && constant.size() == 1 && !*constant.data<bool>();
  }

  bool elide(const Node& node) {
    if (!hands_through(node)) return false;
    const ValueId in = node.input(0);
    const ValueId out = node.outputs[0];
    if (!is_output_[at(out)]) {
      forward_[at(out)] = in;
      reads_[at(in)] += reads_[at(out)] - 1;
      return true;
    }
    // An output of the graph keeps its name, so whoever makes the input writes the output instead.
    const int producer = producer_[at(in)];
    if (producer < 0 || is_output_[at(in)]) return false;
    auto& written = kept_[static_cast<std::size_t>(producer)].outputs;
    std::replace(written.begin(), written.end(), in, out);
    forward_[at(in)] = out;
    producer_[at(out)] = producer;
    types_[at(out)] = types_[at(in)];
    return true;
  }

  // --- Nodes that can be computed now ---

  bool is_foldable(const Node& node) const {
    if (node.step != nullptr || is_one_of(node, kRandom) || (folded_ != Folded::all && is_one_of(node, kQuantized)) ||
        !is_supported(node))
      return false;
    return std::all_of(node.inputs.begin(), node.inputs.end(),
                       [&](ValueId id) { return id == kNoValue || graph_.is_constant(id); });
  }

  bool fold(const Node& node) {
    if (!is_foldable(node)) return false;
    try {
      return fold_checked(node);
    } catch (const Error& error) {
      throw Error(describe(graph_, node) + ": " + error.what());
    }
  }

  bool fold_checked(const Node& node) {
    std::vector<Tensor> inputs;
    for (ValueId id : node.inputs) inputs.push_back(graph_.constant(id));
    const std::unique_ptr<Step> step = make_step(graph_, node);
    auto outputs = infer_outputs(*step, inputs, node.outputs.size());
    if (!outputs || !is_affordable(node, inputs, *outputs)) return false;
    compute(*step, inputs, *outputs);
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      const ValueId id = node.outputs[i];
      if (id == kNoValue || !(*outputs)[i]) continue;
      types_[at(id)] = (*outputs)[i].type();
      graph_.value(id).constant = std::move((*outputs)[i]);
    }
    release_inputs(node);
    return true;
  }

  bool is_affordable(const Node& node, const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs) {
    const auto bytes = [](const std::vector<Tensor>& tensors) {
      return std::accumulate(tensors.begin(), tensors.end(), std::size_t{0}, [](std::size_t sum, const Tensor& tensor) {
        std::size_t total = 0;
        return __builtin_add_overflow(sum, tensor.bytes(), &total) ? ~std::size_t{0} : total;
      });
    };
    const std::size_t read = bytes(inputs);
    const std::size_t written = bytes(outputs);
    if (written > std::max(kSmallResult, kMaxGrowth * read) || read + written > traffic_left_) return false;
    if (is_one_of(node, kSumsOfProducts) || node.domain != kOnnx) {
      std::int64_t products = 0;
      if (inputs.empty() || outputs.empty()) return false;
      const bool rows = node.is("MatMul") && inputs[0].rank() > 0;
      const std::int64_t summed = rows ? inputs[0].shape().back() : inputs[0].size();
      if (__builtin_mul_overflow(summed, outputs[0].size(), &products)) return false;
      if (products > kMaxProducts || products > products_left_) return false;
      products_left_ -= products;
    }
    traffic_left_ -= read + written;
    return true;
  }

  void release_inputs(const Node& node) {
    for (ValueId id : node.inputs) {
      if (id == kNoValue) continue;
      if (--reads_[at(id)] == 0 && !is_output_[at(id)]) graph_.value(id).constant = Tensor();
    }
  }

  Graph& graph_;
  const Folded folded_;
  std::vector<Node> kept_;
  std::vector<ValueId> forward_;             // what to read instead of a value; itself for most
  std::vector<std::optional<DType>> types_;  // where known
  std::vector<std::ptrdiff_t> reads_;        // by nodes that are still to come or were kept
  std::vector<int> producer_;                // index in kept_
  std::vector<bool> is_output_;
  std::size_t traffic_left_ = 0;
  std::int64_t products_left_ = kMaxAllProducts;
};

}  // namespace

void fold_constants(Graph& graph, Folded folded) { Folding(graph, folded).run(); }

}  // namespace sesame::engine
