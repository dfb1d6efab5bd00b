#include "models/layer_pattern.h"

#include "engine/compare.h"
#include "tests/catch.h"
#include "tests/models/prepared.h"

namespace sesame::models {
namespace {

using engine::Graph;
using engine::Node;
using engine::Tensor;
using engine::ValueId;
using test::run;

Graph bert() { return normal_graph(synthesis::tiny("bert", synthesis::Task::sequence_classification)); }

int recognised(const Graph& graph) {
  const auto inputs = padded(graph, made_up({4, 7, 2}, 120), 7);
  const Prepared fused = prepare(graph);
  const auto want = run(*prepare(graph, {.recognise = false}).plan, inputs);
  const auto got = run(*fused.plan, inputs);
  for (std::size_t i = 0; i < want.size(); ++i) {
    const engine::Comparison c = engine::compare(got[i], want[i]);
    INFO(c.problem);
    CHECK(c.passed);
  }
  CHECK(fused.recognition.layers_total == 2);
  CHECK(static_cast<int>(fused.recognition.unfused.size()) == 2 - fused.recognition.layers_recognised);
  return fused.recognition.layers_recognised;
}

// Indices of the nodes of this operator.
std::vector<std::size_t> all(const Graph& graph, const std::string& op) {
  std::vector<std::size_t> found;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (graph.nodes[n].op == op) found.push_back(n);
  }
  return found;
}

void insert_after(Graph& graph, std::size_t at, const std::string& op, std::vector<ValueId> more = {}) {
  Node n;
  n.op = op;
  n.version = 17;
  n.inputs = {graph.nodes[at].outputs[0]};
  n.inputs.insert(n.inputs.end(), more.begin(), more.end());
  n.outputs = {graph.add_value("inserted")};
  for (Node& node : graph.nodes) std::replace(node.inputs.begin(), node.inputs.end(), n.inputs[0], n.outputs[0]);
  graph.nodes.insert(graph.nodes.begin() + static_cast<std::ptrdiff_t>(at) + 1, n);
}

TEST_CASE("Both layers of a BERT are found") { CHECK(recognised(bert()) == 2); }

TEST_CASE("Anything between a layer's parts leaves the layer unfused, and the other one fused") {
  const Graph graph = bert();
  for (const char* op : {"Linear", "Gelu", "LayerNormalization"}) {
    Graph other = graph;
    std::vector<std::size_t> nodes = all(graph, op);
    if (std::string(op) == "LayerNormalization") nodes.erase(nodes.begin());  // the embeddings'
    insert_after(other, nodes[0], "Neg");
    INFO(op);
    CHECK(recognised(other) == 1);
  }
}

TEST_CASE("A residual of another value is not BERT's layer, but one of rows") {
  Graph graph = bert();
  for (Node& node : graph.nodes) {
    if (!node.is("Add")) continue;
    const engine::Uses uses(graph);
    const Node* left = uses.producer(node.inputs[0]);
    const Node* right = uses.producer(node.inputs[1]);
    if (left == nullptr || right == nullptr ||
        !(left->is("Linear", engine::kSesame) || right->is("Linear", engine::kSesame)))
      continue;
    (left->is("Linear", engine::kSesame) ? node.inputs[1] : node.inputs[0]) =
        node.inputs[left->is("Linear", engine::kSesame) ? 0 : 1];
    break;
  }
  CHECK(recognised(graph) == 2);
  CHECK(test::count(prepare(graph).plan->graph(), "RowEncoder") == 1);
}

TEST_CASE("A projection to one column, spread by the residual, is not BERT's layer, but one of rows") {
  Graph graph = bert();
  const std::vector<std::size_t> linears = all(graph, "Linear");
  Node& attn_out = graph.nodes[linears[3]];
  REQUIRE(graph.constant(attn_out.inputs[1]).shape() == engine::Shape{48, 48});
  attn_out.inputs[1] = graph.add_constant("w", test::random_floats({48, 1}, 1));
  attn_out.inputs[2] = graph.add_constant("b", test::random_floats({1}, 2));
  CHECK(recognised(graph) == 2);
  CHECK(test::count(prepare(graph).plan->graph(), "RowEncoder") == 1);
}

TEST_CASE("A norm whose gamma is one number for all is no layer's") {
  Graph graph = bert();
  for (std::size_t i : {std::size_t{0}, std::size_t{1}}) {
    Graph other = graph;
    Node& norm = other.nodes[all(other, "LayerNormalization")[i]];
    norm.inputs[1] = other.add_constant("gamma", Tensor::of<float>({1}, {0.5f}));
    norm.inputs[2] = other.add_constant("beta", Tensor::of<float>({1}, {0.25f}));
    CHECK(recognised(other) == (i == 0 ? 2 : 1));  // the embeddings' norm is not part of a layer
  }
}

TEST_CASE("Statistics of a norm that somebody reads are still made") {
  Graph graph = bert();
  const std::vector<std::size_t> norms = all(graph, "LayerNormalization");
  for (std::size_t n : norms) {
    Graph other = graph;
    const ValueId mean = other.add_value("mean");
    other.nodes[n].outputs.push_back(mean);
    other.outputs.push_back(mean);
    recognised(other);
  }
}

TEST_CASE("Embeddings are a sum of table rows under a norm") {
  const Graph graph = bert();
  const engine::Matcher m(graph);
  const engine::ShapeProbe probe(graph);
  const ValueId hidden = graph.nodes[all(graph, "LayerNormalization")[0]].output(0);
  const EmbeddingsPattern pattern = match_embeddings(m, probe, hidden);
  CHECK(pattern.norm != nullptr);
  CHECK(pattern.addends.size() == 3);
  for (const auto& addend : pattern.addends) CHECK(addend.table);
  const EmbeddingsPattern dense = match_embeddings(m, probe, graph.inputs[0]);
  CHECK(dense.norm == nullptr);
  REQUIRE(dense.addends.size() == 1);
  CHECK_FALSE(dense.addends[0].table);
}

TEST_CASE("A sum of sums without end is taken as it is") {
  Graph graph = bert();
  const std::size_t norm = all(graph, "LayerNormalization")[0];
  ValueId sum = graph.nodes[norm].inputs[0];
  std::vector<Node> adds;
  for (int i = 0; i < 5000; ++i) {  // 2^5000 addends, nested 5000 deep
    Node add;
    add.op = "Add";
    add.version = 13;
    add.inputs = {sum, sum};
    add.outputs = {sum = graph.add_value("twice")};
    adds.push_back(add);
  }
  graph.nodes[norm].inputs[0] = sum;
  graph.nodes.insert(graph.nodes.begin() + static_cast<std::ptrdiff_t>(norm), adds.begin(), adds.end());
  const Recognition found = recognise_encoders(graph, AttentionPrecision::fp32);
  CHECK(found.layers_recognised == 2);
  CHECK(test::count(graph, "Add") >= 5000);
}

}  // namespace
}  // namespace sesame::models
