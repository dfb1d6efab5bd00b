#include "models/graph_quantization.h"

#include <algorithm>

#include "engine/normal_forms/matcher.h"

namespace sesame::models {

using engine::Graph;
using engine::kMicrosoft;
using engine::kNoValue;
using engine::kSesame;
using engine::Node;
using engine::Tensor;
using engine::ValueId;

namespace {

bool is_softmax(const Node& node) { return node.is("Softmax") || node.is("QLinearSoftmax", kMicrosoft); }
bool is_linear(const Node& node) { return node.is("QuantizedLinear", kSesame); }
// Takes some positions out of the hidden state, as heads do.
bool is_selection(const Node& node) { return node.is("Gather") || node.is("Slice") || node.is("Split"); }

bool is_product(const Node& node) {
  return node.is("MatMul") || node.is("QLinearMatMul") || node.is("MatMulIntegerToFloat", kMicrosoft);
}
bool reads_shape(const Node& node) { return node.is("Shape") || node.is("Size"); }

// How many softmaxes lie before each value, and which values a head makes of the last hidden state.
struct Depths {
  explicit Depths(const Graph& graph) : softmaxes(graph.value_count(), 0), in_head(graph.value_count(), false) {
    walk(graph);
    in_head.assign(in_head.size(), false);
    walk(graph);  // now that it is known which depth is the last
  }
  static std::size_t index(ValueId id) { return static_cast<std::size_t>(id); }

  std::vector<int> softmaxes;
  std::vector<bool> in_head;
  int last = 0;

 private:
  void walk(const Graph& graph) {
    for (const Node& node : graph.nodes) {
      if (reads_shape(node)) continue;
      int depth = 0;
      bool head = false;
      for (ValueId id : node.inputs) {
        if (id == kNoValue) continue;
        depth = std::max(depth, softmaxes[index(id)]);
        head = head || in_head[index(id)];
      }
      last = std::max(last, depth += is_softmax(node) ? 1 : 0);
      for (ValueId id : node.outputs) {
        if (id == kNoValue) continue;
        softmaxes[index(id)] = depth;
        in_head[index(id)] = head || (is_selection(node) && depth > 0 && depth == last);
      }
    }
  }
};

// The linears whose result reaches a softmax, or is weighted by one, before any other linear: query, key and value.
std::vector<bool> find_projections(const Graph& graph, const Depths& depths) {
  std::vector<bool> before(graph.value_count(), false), found(graph.nodes.size(), false);
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {
    const Node& node = graph.nodes[n];
    const ValueId y = node.output(0);
    const bool leads = y != kNoValue && before[Depths::index(y)];
    if (is_linear(node)) {
      found[n] = leads;
      continue;
    }
    for (ValueId id : node.inputs) {
      if (id == kNoValue) continue;
      // A product with what a softmax made: the other operand holds the values.
      const bool weighted =
          is_product(node) && y != kNoValue && depths.softmaxes[Depths::index(y)] > depths.softmaxes[Depths::index(id)];
      if (leads || is_softmax(node) || weighted) before[Depths::index(id)] = true;
    }
  }
  return found;
}

std::string granularity(const Tensor& scale) { return scale.size() == 1 ? " per tensor" : " per channel"; }

bool is_dynamic(const engine::Matcher& m, const Node& linear) {
  return m.made_by(linear.input(1), "DynamicQuantizeLinear") != nullptr;
}

std::string describe(const Graph& graph, const engine::Matcher& m, const Node& linear) {
  const Tensor& zero = graph.constant(linear.input(2));
  const Tensor& weight = graph.constant(linear.input(3));
  const bool dynamic = is_dynamic(m, linear);
  const std::string type = dynamic || !zero ? "uint8" : std::string(engine::name(zero.type()));
  return type + " per tensor (" + (dynamic ? "dynamic" : "static") + ") x " + std::string(engine::name(weight.type())) +
         granularity(graph.constant(linear.input(4)));
}

std::string count_of(int n, const char* what) { return std::to_string(n) + " " + what + (n == 1 ? "" : "s"); }

}  // namespace

std::vector<std::string> describe_quantization(const Graph& graph, const std::map<std::string, int>& operators) {
  const bool q_operators = operators.contains("QLinearMatMul") || operators.contains("com.microsoft.QGemm");
  const engine::Matcher m(graph);
  const Depths depths(graph);
  const std::vector<bool> projections = find_projections(graph, depths);
  std::map<std::pair<int, std::string>, int> counts;  // by layer, `last` for a head, and description
  bool dynamic = false;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    if (!is_linear(node)) continue;
    const std::size_t x = Depths::index(node.input(0));
    int layer = depths.softmaxes[x] - (projections[n] ? 0 : 1);
    if (depths.in_head[x]) layer = depths.last;
    const bool finds_scale = is_dynamic(m, node);
    dynamic = dynamic || finds_scale;
    const char* format = finds_scale ? "IntegerOps" : q_operators ? "QOperator" : "QDQ";
    ++counts[{layer, std::string(format) + "|" + describe(graph, m, node)}];
  }
  std::vector<std::string> lines;
  for (const auto& [key, n] : counts) {
    const auto& [layer, text] = key;
    const std::string place = layer < 0              ? "before the layers"
                              : layer == depths.last ? "head"
                                                     : "layer " + std::to_string(layer);
    const std::size_t bar = text.find('|');
    lines.push_back(place + ": " + text.substr(0, bar) + ", " + count_of(n, "linear") + ": " + text.substr(bar + 1));
  }
  if (dynamic) lines.emplace_back(kDependsOnBatch);
  return lines;
}

}  // namespace sesame::models
