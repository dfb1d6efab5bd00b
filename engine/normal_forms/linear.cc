#include "engine/normal_forms/linear.h"

#include <optional>
#include <utility>

#include "engine/normal_forms/matcher.h"
#include "engine/normal_forms/normal_forms.h"

namespace sesame::engine {

namespace {

struct Product {
  ValueId x;
  ValueId weight;
  ValueId bias = kNoValue;
  bool transposed = false;

  std::int64_t features(const Graph& graph) const { return graph.constant(weight).dim(transposed ? 0 : 1); }
};

bool is_matrix(const Graph& graph, ValueId id) {
  const Tensor& t = graph.constant(id);
  return t && t.type() == DType::f32 && t.rank() == 2 && t.size() > 0;
}

std::optional<Product> match_product(const Matcher& m, const Node& node) {
  const Graph& graph = m.graph();
  if (node.is("Linear", kSesame)) {
    const bool plain = node.inputs.size() == 2 && is_matrix(graph, node.input(1));
    if (!plain || node.attributes.all().size() > node.attributes.has("transposed")) return std::nullopt;
    return Product{node.input(0), node.input(1), kNoValue, node.attributes.has("transposed")};
  }
  if (node.is("MatMul") && node.inputs.size() == 2) {
    if (node.input(0) == kNoValue || graph.is_constant(node.input(0)) || !is_matrix(graph, node.input(1)))
      return std::nullopt;
    return Product{node.input(0), node.input(1)};
  }
  if (!node.is("Gemm") || node.input(0) == kNoValue || !is_matrix(graph, node.input(1))) return std::nullopt;
  if (node.attributes.integer("transA", 0) != 0 || node.attributes.real("alpha", 1) != 1) return std::nullopt;
  Product product{node.input(0), node.input(1), node.input(2), node.attributes.integer("transB", 0) != 0};
  if (product.bias != kNoValue) {
    if (node.attributes.real("beta", 1) != 1) return std::nullopt;
    if (!m.is_vector(product.bias, product.features(graph))) return std::nullopt;
  }
  return product;
}

Node linear_node(const Product& product, std::string name, ValueId output) {
  Node node;
  node.op = "Linear";
  node.domain = kSesame;
  node.name = std::move(name);
  node.inputs = {product.x, product.weight};
  if (product.bias != kNoValue) node.inputs.push_back(product.bias);
  node.outputs = {output};
  if (product.transposed) node.attributes.set("transposed", std::int64_t{1});
  return node;
}

}  // namespace

std::optional<Node> as_linear(const Matcher& m, const Node& node) {
  const std::optional<Product> product = match_product(m, node);
  if (!product) return std::nullopt;
  return linear_node(*product, node.name, node.output(0));
}

void form_linears(Graph& graph) {
  const Matcher m(graph);
  std::vector<std::pair<std::size_t, Node>> rewrites;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    std::optional<Product> product = match_product(m, node);
    std::size_t at = n;
    ValueId output = node.output(0);
    if (!product || output == kNoValue) continue;
    if (product->bias == kNoValue && m.uses().has_one_reader(output)) {
      const auto reader = static_cast<std::size_t>(m.uses().readers(output)[0]);
      const Node& add = graph.nodes[reader];
      const ValueId addend = add.is("Add") ? Matcher::other_operand(add, output) : kNoValue;
      if (m.is_vector(addend, product->features(graph)) && add.output(0) != kNoValue) {
        product->bias = addend;
        output = add.output(0);
        at = reader;
      }
    }
    rewrites.emplace_back(at, linear_node(*product, node.name, output));
  }
  for (auto& [at, node] : rewrites) graph.nodes[at] = std::move(node);
  remove_dead_nodes(graph);
}

}  // namespace sesame::engine
