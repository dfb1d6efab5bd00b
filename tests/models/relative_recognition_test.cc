// DeBERTa's graph in its variants, fused against operator by operator.
#include <string>
#include <vector>

#include "engine/compare.h"
#include "models/recognition.h"
#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/models/prepared.h"

namespace sesame::models {
namespace {

using engine::Graph;
using engine::Node;
using engine::Tensor;
using synthesis::Task;
using test::run;

Graph deberta(Task task = Task::encoder) { return normal_graph(synthesis::tiny("deberta-v3", task)); }

Node& named(Graph& graph, const std::string& name) {
  for (Node& node : graph.nodes) {
    if (node.name == name) return node;
  }
  FAIL("no node " << name);
  return graph.nodes.front();
}

// What a layer's Where makes of the probabilities is the probabilities: newer exports don't clear them.
void do_not_clear(Graph& graph) {
  for (Node& node : std::vector<Node>(graph.nodes)) {
    if (node.is("Where") && node.name.ends_with("Where_3")) graph.replace_uses(node.outputs[0], node.inputs[2]);
  }
  engine::remove_dead_nodes(graph);
}

// Padding behind and before, a text of one token, and one whose mask drops everything.
std::vector<std::vector<Tensor>> batches(const Graph& graph) {
  std::vector<std::vector<Tensor>> all = {padded(graph, made_up({4, 7, 1}, 120), 7),
                                          padded(graph, made_up({9, 4}, 120), 9, true)};
  all.push_back(padded(graph, made_up({5, 6}, 120), 8));
  auto* mask = all.back()[1].data<std::int64_t>();
  std::fill_n(mask, 8, 0);
  mask[8 + 2] = 0;  // a hole
  return all;
}

Recognition compared(const Graph& graph) {
  Prepared fused = prepare(graph);
  const Prepared plain = prepare(graph, {.recognise = false});
  for (const auto& inputs : batches(graph)) {
    const auto want = run(*plain.plan, inputs);
    const auto got = run(*fused.plan, inputs);
    REQUIRE(got.size() == want.size());
    for (std::size_t i = 0; i < want.size(); ++i) {
      const engine::Comparison c = engine::compare(got[i], want[i]);
      INFO("output " << i << ": " << c.problem);
      CHECK(c.passed);
    }
  }
  return fused.recognition;
}

TEST_CASE("DeBERTa's layers give the graph's answers at real and at padded positions") {
  for (Task task : {Task::encoder, Task::sequence_classification}) {
    const Recognition r = compared(deberta(task));
    CHECK(r.layers_recognised == 2);
    CHECK(r.unfused.empty());
  }
}

TEST_CASE("Where probabilities that the mask drops are not cleared, a padded position attends to all evenly") {
  for (Task task : {Task::encoder, Task::sequence_classification}) {
    Graph graph = deberta(task);
    do_not_clear(graph);
    CHECK(compared(graph).layers_recognised == 2);
  }
}

TEST_CASE("A position index that is no function of the distance is left as it is, and named") {
  Graph graph = deberta();
  Node& distance = named(graph, "/encoder/Sub");
  distance.op = "Add";
  const Recognition r = compared(graph);
  CHECK(r.layers_recognised == 0);
  REQUIRE(r.unfused.size() == 2);
  CHECK(r.unfused[0].expected.find("distance alone") != std::string::npos);
}

TEST_CASE("A mask of pairs that keeps what it should drop is left as it is") {
  Graph graph = deberta();
  for (Node& node : graph.nodes) {
    if (node.is("Sub") && node.name.find("attention/self") != std::string::npos) node.op = "Add";
  }
  CHECK(prepare(graph).recognition.layers_recognised == 0);
}

TEST_CASE("A DeBERTa gives a text the same bits in every batch and padding") {
  const Graph graph = deberta(Task::sequence_classification);
  const Sequences texts = made_up({9, 4, 17}, 120);
  for (bool int8 : {false, true}) {
    const Prepared model =
        prepare(graph, {.linears = int8 ? engine::LinearPrecision::int8 : engine::LinearPrecision::fp32,
                        .attention = int8 ? AttentionPrecision::int8 : AttentionPrecision::fp32});
    CHECK(model.recognition.layers_recognised == 2);
    for (int threads : {1, 3}) {
      const engine::RunnerOptions options{.threads = threads, .padded_positions = false};
      const auto together = run(*model.plan, padded(graph, texts, 20), options);
      for (std::size_t b = 0; b < texts.size(); ++b) {
        const auto alone = run(*model.plan, padded(graph, {texts[b]}, texts[b].size()), options);
        CHECK(same_bits(row(alone[0], 0), row(together[0], b)));
      }
    }
  }
}

TEST_CASE("Malformed nodes of a DeBERTa are refused or left, wherever they are") {
  const Graph whole = deberta();
  const auto inputs = padded(whole, made_up({4, 2}, 120), 4);
  int ran = 0;
  int refused = 0;
  std::size_t turn = 0;
  for (std::size_t n = 0; n < whole.nodes.size(); ++n) {
    const std::size_t arity = whole.nodes[n].inputs.size();
    for (std::size_t change = 0; change <= 2 * arity; ++change) {
      if (++turn % 5 != 0) continue;  // a fifth of them, to be quick
      Graph graph = whole;
      Node& node = graph.nodes[n];
      if (change < arity) {
        node.inputs.resize(change);
      } else if (change < 2 * arity) {
        node.inputs[change - arity] = engine::kNoValue;
      } else {
        node.attributes.set("axis", std::int64_t{-77});
      }
      try {
        run(*prepare(std::move(graph)).plan, inputs);
        ++ran;
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  CHECK(refused > 0);
  CHECK(ran > 0);
}

}  // namespace
}  // namespace sesame::models
