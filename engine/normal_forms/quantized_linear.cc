#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "engine/normal_forms/emitter.h"
#include "engine/normal_forms/matcher.h"
#include "engine/normal_forms/normal_forms.h"
#include "engine/onnx_types.h"

namespace sesame::engine {

namespace {

// The inputs of a sesame.QuantizedLinear by name, and the value that it makes.
struct Form {
  ValueId x, x_scale, x_zero;
  ValueId weight, weight_scale, weight_zero;
  ValueId bias = kNoValue;  // float or int32
  ValueId y_scale = kNoValue, y_zero = kNoValue;
  float alpha = 1;
  bool transposed = false;
  ValueId output = kNoValue;
};

bool is_bytes(DType type) { return type == DType::u8 || type == DType::i8; }

bool is_byte_matrix(const Graph& graph, ValueId id) {
  const Tensor& t = graph.constant(id);
  return t && is_bytes(t.type()) && t.rank() == 2 && t.size() > 0;
}

// What a left-out or constant input holds: one element, or one for each of n columns.
bool is_per_tensor(const Graph& graph, ValueId id) {
  const Tensor& t = graph.constant(id);
  return t && t.size() == 1 && t.rank() <= 1;
}
bool is_per_column(const Graph& graph, ValueId id, std::int64_t n) {
  const Tensor& t = graph.constant(id);
  return is_per_tensor(graph, id) || (t && t.rank() == 1 && t.dim(0) == n);
}
bool is_zero_point(const Graph& graph, ValueId id, std::int64_t n) {
  return id == kNoValue || is_per_column(graph, id, n);
}

class Former {
 public:
  explicit Former(Graph& graph) : graph_(graph), m_(graph) {}

  bool run() {
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      if (const std::optional<Form> form = match(graph_.nodes[n])) found_.emplace_back(n, *form);
    }
    for (const auto& [n, form] : found_) replace(n, form);
    if (!found_.empty()) remove_dead_nodes(graph_);
    return !found_.empty();
  }

 private:
  std::optional<Form> match(const Node& node) const {
    std::optional<Form> form;
    if (node.is("MatMulInteger")) form = match_integer(node);
    if (node.is("QLinearMatMul")) {
      form = Form{node.input(0), node.input(1), node.input(2), node.input(3), node.input(4), node.input(5)};
      form->y_scale = node.input(6), form->y_zero = node.input(7);
    }
    if (node.is("QGemm", kMicrosoft)) form = match_gemm(node);
    if (node.is("MatMulIntegerToFloat", kMicrosoft)) {
      form = Form{node.input(0), node.input(2), node.input(4), node.input(1), node.input(3), node.input(5)};
      form->bias = node.input(6);
    }
    if (!form) return std::nullopt;
    if (form->output == kNoValue) form->output = node.output(0);
    return fits(*form) ? form : std::nullopt;
  }

  bool fits(const Form& f) const {
    if (f.output == kNoValue || f.x == kNoValue || graph_.is_constant(f.x) || !is_byte_matrix(graph_, f.weight)) {
      return false;
    }
    const std::int64_t n = graph_.constant(f.weight).dim(f.transposed ? 0 : 1);
    const Tensor& bias = graph_.constant(f.bias);
    const bool bias_fits = f.bias == kNoValue || (bias && bias.rank() == 1 && bias.dim(0) == n);
    const bool output_fits =
        f.y_scale == kNoValue || (is_per_tensor(graph_, f.y_scale) && is_per_tensor(graph_, f.y_zero));
    const bool scale_fits = f.weight_scale == kNoValue || is_per_column(graph_, f.weight_scale, n);
    return scale_fits && is_zero_point(graph_, f.weight_zero, n) && bias_fits && output_fits;
  }

  std::optional<Form> match_gemm(const Node& node) const {
    if (node.attributes.integer("transA", 0) != 0) return std::nullopt;
    Form f{node.input(0), node.input(1), node.input(2), node.input(3), node.input(4), node.input(5)};
    f.bias = node.input(6);
    f.y_scale = node.input(7), f.y_zero = node.input(8);
    f.alpha = node.attributes.real("alpha", 1);
    f.transposed = node.attributes.integer("transB", 0) != 0;
    return f;
  }

  const Node* only_reader(ValueId id) const {
    return m_.uses().has_one_reader(id) ? &graph_.nodes[static_cast<std::size_t>(m_.uses().readers(id)[0])] : nullptr;
  }

  // A scalar that some node computes: what DynamicQuantizeLinear finds, or a constant.
  bool is_scale(ValueId id) const {
    const Node* dynamic = m_.made_by(id, "DynamicQuantizeLinear");
    return (dynamic != nullptr && dynamic->output(1) == id) || is_per_tensor(graph_, id);
  }

  // MatMulInteger, Cast to float, Mul by (scale of x * scale of the weight), and Add of a vector, as far as they are
  // there. Without the Mul the scales are 1: exact.
  std::optional<Form> match_integer(const Node& node) const {
    const Node* cast = only_reader(node.output(0));
    if (cast == nullptr || !cast->is("Cast") || cast->attributes.integer("to", 0) != onnx_number(DType::f32)) {
      return std::nullopt;
    }
    Form f{node.input(0), kNoValue, node.input(2), node.input(1), kNoValue, node.input(3)};
    f.output = cast->output(0);
    if (!is_byte_matrix(graph_, f.weight)) return std::nullopt;
    const Node* mul = only_reader(f.output);
    const ValueId factor = mul != nullptr && mul->is("Mul") ? Matcher::other_operand(*mul, f.output) : kNoValue;
    const Node* product = m_.made_by(factor, "Mul");
    if (product == nullptr) return f;
    const std::int64_t n = graph_.constant(f.weight).dim(1);
    for (std::size_t i = 0; i < 2; ++i) {
      if (!is_scale(product->input(i)) || !is_per_column(graph_, product->input(1 - i), n)) continue;
      f.x_scale = product->input(i);
      f.weight_scale = product->input(1 - i);
      f.output = mul->output(0);
      add_bias(f, n);
      break;
    }
    return f;
  }

  void add_bias(Form& f, std::int64_t n) const {
    const Node* add = only_reader(f.output);
    const ValueId bias = add != nullptr && add->is("Add") ? Matcher::other_operand(*add, f.output) : kNoValue;
    if (!m_.is_vector(bias, n) || add->output(0) == kNoValue) return;
    f.bias = bias;
    f.output = add->output(0);
  }

  // At the place of the node that makes the output, where all inputs are there.
  void replace(std::size_t n, const Form& f) {
    const auto one = [&] { return graph_.add_constant("", Tensor::scalar<float>(1)); };
    Node node;
    node.op = "QuantizedLinear";
    node.domain = kSesame;
    node.name = graph_.nodes[n].name;
    node.inputs = {f.x,
                   f.x_scale == kNoValue ? one() : f.x_scale,
                   f.x_zero,
                   f.weight,
                   f.weight_scale == kNoValue ? one() : f.weight_scale,
                   f.weight_zero,
                   f.bias,
                   f.y_scale,
                   f.y_zero};
    node.outputs = {f.output};
    if (f.transposed) node.attributes.set("transposed", std::int64_t{1});
    if (f.alpha != 1) node.attributes.set("alpha", f.alpha);
    graph_.nodes[static_cast<std::size_t>(m_.uses().producer_index(f.output))] = std::move(node);
  }

  Graph& graph_;
  Matcher m_;
  std::vector<std::pair<std::size_t, Form>> found_;
};

// DynamicQuantizeMatMul as the operators that it stands for. Those of one input share its bytes: equal nodes are
// merged.
void take_dynamic_products_apart(Graph& graph) {
  std::vector<Node> nodes;
  for (Node& node : graph.nodes) {
    if (!node.is("DynamicQuantizeMatMul", kMicrosoft) || !is_byte_matrix(graph, node.input(1))) {
      nodes.push_back(std::move(node));
      continue;
    }
    Emitter e(graph, nodes, graph.value(node.output(0)).name);
    const ValueId bytes = e.emit("DynamicQuantizeLinear", 11, {node.input(0)});
    const ValueId scale = graph.add_value(graph.value(bytes).name + "/scale");
    const ValueId zero = graph.add_value(graph.value(bytes).name + "/zero_point");
    nodes.back().outputs = {bytes, scale, zero};
    e.emit_to(node.output(0), "MatMulIntegerToFloat", 1,
              {bytes, node.input(1), scale, node.input(2), zero, node.input(3), node.input(4)});
    nodes.back().domain = kMicrosoft;
    nodes.back().name = node.name;
  }
  graph.nodes = std::move(nodes);
}

// QAttention as its projection and what follows that.
void take_attentions_apart(Graph& graph) {
  std::vector<Node> nodes;
  for (Node& node : graph.nodes) {
    if (!node.is("QAttention", kMicrosoft) || !is_byte_matrix(graph, node.input(1))) {
      nodes.push_back(std::move(node));
      continue;
    }
    Emitter e(graph, nodes, graph.value(node.output(0)).name);
    const ValueId projected = e.emit(
        "MatMulIntegerToFloat", 1,
        {node.input(0), node.input(1), node.input(3), node.input(4), node.input(6), node.input(7), node.input(2)});
    nodes.back().domain = kMicrosoft;
    nodes.back().name = node.name;
    node.op = "ProjectedAttention";
    node.domain = kSesame;
    node.inputs = {projected, node.input(5), node.input(8)};
    nodes.push_back(std::move(node));
  }
  graph.nodes = std::move(nodes);
}

bool has_any(const Graph& graph, std::string_view op) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& n) { return n.is(op, kMicrosoft); });
}

}  // namespace

bool form_quantized_linears(Graph& graph) {
  if (has_any(graph, "QAttention")) take_attentions_apart(graph);
  if (has_any(graph, "DynamicQuantizeMatMul")) {
    take_dynamic_products_apart(graph);
    merge_common_nodes(graph);
  }
  return Former(graph).run();
}

}  // namespace sesame::engine
