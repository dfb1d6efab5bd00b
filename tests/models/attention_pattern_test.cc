#include "models/attention_pattern.h"

#include "engine/compare.h"
#include "tests/catch.h"
#include "tests/models/prepared.h"

namespace sesame::models {
namespace {

using engine::Graph;
using engine::kNoValue;
using engine::Node;
using engine::Tensor;
using engine::ValueId;
using test::run;

Graph graph_of(const char* architecture) {
  return normal_graph(synthesis::tiny(architecture, synthesis::Task::sequence_classification));
}

std::size_t first(const Graph& graph, const std::string& op) {
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (graph.nodes[n].op == op) return n;
  }
  FAIL("no " + op);
  return 0;
}

std::size_t producer(const Graph& graph, ValueId id) {
  const int n = engine::Uses(graph).producer_index(id);
  REQUIRE(n >= 0);
  return static_cast<std::size_t>(n);
}

struct Matched {
  std::optional<AttentionPattern> pattern;
  Mismatch why;
};

Matched match(const Graph& graph) {
  const engine::Matcher m(graph);
  const engine::ShapeProbe probe(graph);
  const Node& softmax = graph.nodes[first(graph, "Softmax")];
  Matched matched;
  if (is_attention_softmax(probe, softmax)) matched.pattern = match_attention(m, probe, softmax, matched.why);
  return matched;
}

// Puts a node between `node`'s input i and what makes it.
void insert(Graph& graph, std::size_t node, std::size_t i, const std::string& op, ValueId constant) {
  Node n;
  n.op = op;
  n.version = 13;
  n.inputs = {graph.nodes[node].inputs[i], constant};
  n.outputs = {graph.add_value("inserted")};
  graph.nodes[node].inputs[i] = n.outputs[0];
  graph.nodes.insert(graph.nodes.begin() + static_cast<std::ptrdiff_t>(node), n);
}

// Whatever is recognised of a graph, its answer is the graph's own.
void check_answer(const Graph& graph) {
  const auto inputs = padded(graph, made_up({4, 7, 2}, 120), 7);
  const auto want = run(*prepare(graph, {.recognise = false}).plan, inputs);
  const auto got = run(*prepare(graph).plan, inputs);
  for (std::size_t i = 0; i < want.size(); ++i) {
    const engine::Comparison c = engine::compare(got[i], want[i]);
    INFO(c.problem);
    CHECK(c.passed);
  }
}

TEST_CASE("The attention of exports is found with its sizes, scale and mask") {
  for (const char* architecture : {"distilbert", "bert", "minilm"}) {
    INFO(architecture);
    const Graph graph = graph_of(architecture);
    const auto matched = match(graph);
    INFO(matched.why.expected);
    REQUIRE(matched.pattern);
    CHECK(matched.pattern->heads == 4);
    CHECK(matched.pattern->head_dim == 12);
    CHECK(matched.pattern->scale == Approx(1 / std::sqrt(12.0)));
    CHECK(matched.pattern->mask != kNoValue);
    CHECK(matched.pattern->mask_meaning.kind ==
          (std::string(architecture) == "distilbert" ? MaskKind::drop_if_true : MaskKind::additive));
  }
}

TEST_CASE("Scores that are scaled after they were masked are not this attention") {
  Graph graph = graph_of("bert");
  insert(graph, first(graph, "Softmax"), 0, "Mul", graph.add_constant("two", Tensor::scalar(2.0f)));
  CHECK_FALSE(match(graph).pattern);
  check_answer(graph);
}

TEST_CASE("A score that is replaced by a small number still counts") {
  Graph graph = graph_of("distilbert");
  const std::size_t where = producer(graph, graph.nodes[first(graph, "Softmax")].input(0));
  REQUIRE(graph.nodes[where].op == "Where");
  for (float fill : {-5.0f, 0.0f, 3.0f}) {
    graph.nodes[where].inputs[1] = graph.add_constant("fill", Tensor::scalar(fill));
    CHECK_FALSE(match(graph).pattern);
    check_answer(graph);
  }
  graph.nodes[where].inputs[1] = graph.add_constant("fill", Tensor::scalar(-10000.0f));
  CHECK(match(graph).pattern);
  check_answer(graph);
}

// Graphs whose mask is replaced by an input of another shape.
TEST_CASE("A mask that is not of keys, or of queries and keys, stays unfused") {
  using engine::Shape;
  // The mask is the sum of a new input's values, each placed by an Unsqueeze of these axes.
  const auto with_mask = [](const Shape& declared, const std::vector<std::vector<std::int64_t>>& placements) {
    Graph graph = graph_of("bert");
    std::size_t at = producer(graph, graph.nodes[first(graph, "Softmax")].input(0));
    REQUIRE(graph.nodes[at].op == "Add");
    const ValueId mask = graph.add_value("bias");
    graph.value(mask).declared_type = engine::DType::f32;
    graph.value(mask).declared_shape = declared;
    graph.inputs.push_back(mask);
    ValueId sum = kNoValue;
    const auto add = [&](const char* op, std::vector<ValueId> inputs) {
      Node n;
      n.op = op;
      n.version = 13;
      n.inputs = std::move(inputs);
      n.outputs = {graph.add_value(op)};
      graph.nodes.insert(graph.nodes.begin() + static_cast<std::ptrdiff_t>(at++), n);
      return n.outputs[0];
    };
    for (const auto& axes : placements) {
      const auto count = static_cast<std::int64_t>(axes.size());
      const ValueId list = graph.add_constant("axes", Tensor::of<std::int64_t>({count}, axes));
      const ValueId placed = add("Unsqueeze", {mask, list});
      sum = sum == kNoValue ? placed : add("Add", {sum, placed});
    }
    const engine::Matcher m(graph);
    const ValueId right = graph.nodes[at].inputs[1];
    const bool mask_is_right = m.made_by(right, "Mul") != nullptr || m.made_by(right, "Add") != nullptr;
    graph.nodes[at].inputs[mask_is_right ? 1 : 0] = sum;
    return match(graph).pattern.has_value();
  };
  CHECK(with_mask({-1, -1}, {{1, 2}}));          // [batch, 1, 1, length]
  CHECK(with_mask({-1, -1}, {{1, 2}, {1, 2}}));  // likewise
  CHECK_FALSE(with_mask({-1, -1}, {{1, 3}}));    // [batch, 1, length, 1]: of the queries
  CHECK(with_mask({-1, -1}, {{1, 2}, {1, 3}}));  // [batch, 1, queries, keys]
  CHECK_FALSE(with_mask({4, 1, 1}, {{0}}));      // of the heads
}

TEST_CASE("Probabilities that others read, or that are an output, stay unfused") {
  Graph graph = graph_of("bert");
  graph.outputs.push_back(graph.nodes[first(graph, "Softmax")].output(0));
  CHECK_FALSE(match(graph).pattern);
  check_answer(graph);
}

TEST_CASE("Heads that are split or merged otherwise stay unfused, whatever a permutation says") {
  const Graph graph = graph_of("bert");
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (!graph.nodes[n].is("Transpose")) continue;
    for (const std::vector<std::int64_t>& perm : std::vector<std::vector<std::int64_t>>{
             {0, 1, 2, 3}, {2, 0, 1, 3}, {0, 2, 1}, {}, {-1, 0, 1, 2}, {0, 100, 1, 2}, {4, 4, 4, 4}, {0, 0, 0, 0}}) {
      Graph other = graph;
      other.nodes[n].attributes.set("perm", perm);
      CHECK_NOTHROW(recognise_encoders(other, AttentionPrecision::fp32));
    }
  }
}

}  // namespace
}  // namespace sesame::models
