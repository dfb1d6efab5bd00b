#include "engine/quantizer/node_selection.h"

#include <string>

#include "engine/folding.h"
#include "sesame/error.h"
#include "tests/files.h"
#include "tests/support/small_graph.h"

namespace sesame::engine {
namespace {

using test::SmallGraph;

// Embeddings, a layer of one Linear with GELU and a residual LayerNormalization, a classifier. Nodes are named after
// what they are.
struct TinyEncoder : SmallGraph {
  ValueId named(const std::string& name, const std::string& op, std::vector<ValueId> inputs) {
    const ValueId id = node(op, std::move(inputs));
    graph.nodes.back().name = name;
    return id;
  }
  ValueId mean(const std::string& name, ValueId x) {
    const ValueId id = named(name, "ReduceMean", {x});
    graph.nodes.back().attributes.set("axes", std::vector<std::int64_t>{-1});
    return id;
  }
  ValueId layernorm(const std::string& name, ValueId x) {
    const ValueId centred = named(name + ".sub", "Sub", {x, mean(name + ".mean", x)});
    const ValueId variance = mean(name + ".variance", named(name + ".pow", "Pow", {centred, scalar(2)}));
    const ValueId root = named(name + ".sqrt", "Sqrt", {named(name + ".epsilon", "Add", {variance, scalar(1e-12f)})});
    const ValueId scaled = named(name + ".gamma", "Mul", {named(name + ".div", "Div", {centred, root}), vector(1)});
    return named(name + ".beta", "Add", {scaled, vector(2)});
  }
  ValueId gelu(ValueId x) {
    const ValueId erf = named("gelu.erf", "Erf", {named("gelu.div", "Div", {x, scalar(1.41421356f)})});
    const ValueId bell = named("gelu.one", "Add", {erf, scalar(1)});
    return named("gelu.half", "Mul", {named("gelu.mul", "Mul", {x, bell}), scalar(0.5f)});
  }
  ValueId vector(unsigned seed) { return constant(test::random_floats({8}, seed)); }
  ValueId matrix(unsigned seed) { return constant(test::random_floats({8, 8}, seed)); }

  TinyEncoder() {
    const ValueId ids = input("ids", {-1, -1}, DType::i64);
    const ValueId floats = named("floats", "Cast", {input("attention_mask", {-1, -1}, DType::i64)});
    graph.nodes.back().attributes.set("to", std::int64_t{1});
    const ValueId mask = named("mask", "Unsqueeze", {floats, ints({1})});
    const ValueId table = constant(test::random_floats({10, 8}, 3));
    const ValueId words = named("words", "Gather", {table, ids});
    const ValueId embedded = layernorm("norm0", named("embed", "Add", {words, vector(4)}));
    const ValueId transposed = named("transposed", "Transpose", {embedded});
    graph.nodes.back().attributes.set("perm", std::vector<std::int64_t>{0, 2, 1});
    const ValueId scores = named("scores", "MatMul", {embedded, transposed});
    const ValueId weights = named("softmax", "Softmax", {named("masked", "Add", {scores, mask})});
    const ValueId context = named("context", "MatMul", {weights, embedded});
    const ValueId linear = named("bias", "Add", {named("linear", "MatMul", {context, matrix(5)}), vector(6)});
    const ValueId out = named("residual", "Add", {gelu(linear), embedded});
    const ValueId normed = layernorm("norm1", out);
    output(named("classifier", "MatMul", {normed, matrix(7)}));
  }

  std::vector<std::string> names(const NodeSelection& selection) const {
    std::vector<std::string> found;
    const auto selected = select_nodes(graph, selection);
    for (std::size_t n = 0; n < selected.size(); ++n) {
      if (selected[n]) found.push_back(graph.nodes[n].name);
    }
    return found;
  }
};

using Names = std::vector<std::string>;

TEST_CASE("nodes are selected by operator, heads only when asked for", "[quantizer]") {
  const TinyEncoder g;
  CHECK(g.names({.operators = {"MatMul"}}) == Names{"scores", "context", "linear"});
  CHECK(g.names({.operators = {"MatMul"}, .heads = true}) == Names{"scores", "context", "linear", "classifier"});
  CHECK(g.names({.operators = {"Gather"}}) == Names{"words"});
  CHECK(g.names({.operators = {}}).empty());
}

TEST_CASE("each part of an encoder can be left out", "[quantizer]") {
  const TinyEncoder g;
  const auto adds = [&](std::vector<NodeGroup> exclude) {
    return g.names({.operators = {"Add"}, .exclude = std::move(exclude), .heads = true});
  };
  CHECK(adds({}) == Names{"embed", "norm0.epsilon", "norm0.beta", "masked", "bias", "gelu.one", "residual",
                          "norm1.epsilon", "norm1.beta"});
  CHECK(adds({NodeGroup::layernorm}) == Names{"embed", "masked", "bias", "gelu.one", "residual"});
  CHECK(adds({NodeGroup::gelu}) ==
        Names{"embed", "norm0.epsilon", "norm0.beta", "masked", "bias", "residual", "norm1.epsilon", "norm1.beta"});
  CHECK(adds({NodeGroup::softmax, NodeGroup::layernorm}) == Names{"embed", "bias", "gelu.one", "residual"});
  CHECK(adds({NodeGroup::gather, NodeGroup::layernorm}) == Names{"masked", "bias", "gelu.one", "residual"});
  CHECK(adds({NodeGroup::residual, NodeGroup::layernorm}) == Names{"embed", "masked", "bias", "gelu.one"});
  CHECK(g.names({.operators = {"Mul", "Div"}, .exclude = {NodeGroup::gelu}, .heads = true}) ==
        Names{"norm0.div", "norm0.gamma", "norm1.div", "norm1.gamma"});
}

TEST_CASE("a regular expression leaves nodes out by any part of their names", "[quantizer]") {
  const TinyEncoder g;
  CHECK(g.names({.operators = {"MatMul"}, .exclude_nodes = "^l|ext$"}) == Names{"scores"});
  const std::string message =
      message_of<Error>([&] { g.names({.operators = {"MatMul"}, .exclude_nodes = "(unclosed"}); });
  CHECK(message.find("expected a regular expression, found '(unclosed'") == 0);
}

TEST_CASE("names of any length are matched", "[quantizer]") {
  TinyEncoder g;
  for (Node& node : g.graph.nodes) node.name = std::string(1 << 20, 'a');
  CHECK(g.names({.operators = {"MatMul"}, .exclude_nodes = "(a|b)*c"}).size() == 3);
}

TEST_CASE("without a residual LayerNormalization nothing is a head", "[quantizer]") {
  SmallGraph g;
  g.output(g.node("MatMul", {g.input("x", {-1, 4}), g.constant(test::random_floats({4, 4}, 1))}));
  CHECK(select_nodes(g.graph, {}) == std::vector<bool>{true});
}

TEST_CASE("groups have the names of the published study", "[quantizer]") {
  for (const NodeGroup group : all_node_groups()) CHECK(parse_node_group(name(group)) == group);
  CHECK_THROWS_AS(parse_node_group("norm"), Error);
}

}  // namespace
}  // namespace sesame::engine
