#include "engine/compare.h"
#include "engine/normal_forms/matcher.h"
#include "kernels/isa.h"
#include "models/row_encoder_step.h"
#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/models/encoder_graph.h"
#include "tests/models/prepared.h"

namespace sesame::models {
namespace {

using engine::Graph;
using engine::Tensor;
using test::run;

const Sequences kTexts = made_up({5, 17, 3, 30}, EncoderGraph::kVocab);
constexpr std::size_t kLength = 33;

struct Shape {
  const char* what;
  EncoderStyle style;
};

std::vector<Shape> shapes() {
  using Norm = EncoderStyle::Norm;
  return {{"norms before", {.norm = Norm::pre}},
          {"norms before, first row", {.norm = Norm::pre, .first_row = true}},
          {"norms that do not normalise, stacked", {.norm = Norm::none, .feed_forwards = 3}},
          {"stacked, first row", {.first_row = true, .feed_forwards = 2}},
          {"parallel", {.norm = Norm::pre, .parallel = true}},
          {"one projection", {.norm = Norm::pre, .projection = EncoderStyle::Projection::split}},
          {"one projection, sliced",
           {.norm = Norm::pre, .projection = EncoderStyle::Projection::split, .split_slices = true}},
          {"no mask", {.norm = Norm::pre, .mask = EncoderStyle::MaskIs::none}}};
}

std::vector<Tensor> inputs_of(const Graph& graph, const Sequences& texts, std::size_t length) {
  return padded(graph, texts, length);
}

int row_encoders(const engine::Plan& plan) { return test::count(plan.graph(), "RowEncoder"); }

TEST_CASE("Encoders of other shapes give what their graphs give operator by operator") {
  for (const Shape& shape : shapes()) {
    INFO(shape.what);
    const Graph graph = EncoderGraph(shape.style).graph();
    const auto inputs = inputs_of(graph, kTexts, kLength);
    for (const bool int8 : {false, true}) {
      const auto linears = int8 ? engine::LinearPrecision::int8 : engine::LinearPrecision::fp32;
      const Prepared fused = prepare(graph, {.linears = linears});
      CHECK(fused.recognition.layers_recognised == 2);
      CHECK(fused.recognition.unfused.empty());
      CHECK(row_encoders(*fused.plan) == 1);
      CHECK(test::count(fused.plan->graph(), "Softmax") == 0);
      CHECK(test::count(fused.plan->graph(), "LayerNormalization") == 0);
      const auto want = run(*prepare(graph, {.linears = linears, .recognise = false}).plan, inputs);
      const auto got = run(*fused.plan, inputs);
      REQUIRE(got.size() == want.size());
      const engine::Comparison c = engine::compare(got[0], want[0], {.absolute = 1e-5, .relative = int8 ? 2e-2 : 1e-4});
      INFO(c.problem);
      CHECK(c.passed);
    }
  }
}

TEST_CASE("A text's answer is the same bits whatever its batch, padding, threads and level") {
  for (const Shape& shape : shapes()) {
    INFO(shape.what);
    const bool masked = shape.style.mask != EncoderStyle::MaskIs::none;
    const Graph graph = EncoderGraph(shape.style).graph();
    for (const How how : {How{}, How{.linears = engine::LinearPrecision::bf16, .attention = AttentionPrecision::bf16},
                          How{.linears = engine::LinearPrecision::int8, .attention = AttentionPrecision::int8}}) {
      const Prepared fused = prepare(graph, how);
      for (std::size_t b = 0; b < kTexts.size(); ++b) {
        const std::size_t tokens = kTexts[b].size();
        const auto alone = run(*fused.plan, inputs_of(graph, {kTexts[b]}, tokens));
        for (kernels::Isa isa : kernels::supported_isas()) {
          for (const int threads : {1, 3}) {
            const Sequences batch = masked ? kTexts : Sequences{kTexts[b], kTexts[b]};
            const auto got = run(*fused.plan, inputs_of(graph, batch, masked ? kLength : tokens),
                                 {.isa = isa, .threads = threads, .padded_positions = false});
            auto mine = row(got[0], masked ? b : 1);
            const auto want = row(alone[0], 0);
            mine.resize(want.size());  // the rows of its own tokens
            CHECK(same_bits(mine, want));
          }
        }
      }
    }
  }
}

TEST_CASE("Hidden states that are read elsewhere too are outputs of the step") {
  Graph graph = EncoderGraph({.norm = EncoderStyle::Norm::pre}).graph();
  for (const engine::Node& node : std::vector<engine::Node>(graph.nodes)) {
    if (node.is("LayerNormalization") || node.is("Add")) graph.outputs.push_back(node.outputs[0]);
  }
  const auto inputs = inputs_of(graph, kTexts, kLength);
  const Prepared fused = prepare(graph);
  CHECK(fused.recognition.layers_recognised == 2);
  const auto want = run(*prepare(graph, {.recognise = false}).plan, inputs);
  const auto got = run(*fused.plan, inputs);
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    const engine::Comparison c = engine::compare(got[i], want[i]);
    INFO("output " << i << ": " << c.problem);
    CHECK(c.passed);
  }
}

TEST_CASE("What lies between two layers and works on more than a row cuts the encoder in two") {
  Graph graph = EncoderGraph({.norm = EncoderStyle::Norm::pre}, 4).graph();
  // Behind the second layer: x becomes x + the mean over all positions.
  const engine::Matcher m(graph);
  std::vector<std::size_t> sums;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const engine::Node& node = graph.nodes[n];
    if (node.is("Add") && m.uses().readers(node.output(0)).size() == 2) sums.push_back(n);
  }
  REQUIRE(sums.size() >= 4);
  engine::Node mean, add;
  const engine::ValueId x = graph.nodes[sums[3]].outputs[0];
  mean.op = "ReduceMean";
  mean.version = 17;
  mean.inputs = {x};
  mean.outputs = {graph.add_value("mean")};
  mean.attributes.set("axes", std::vector<std::int64_t>{1});
  add.op = "Add";
  add.version = 17;
  add.inputs = {x, mean.outputs[0]};
  add.outputs = {graph.add_value("mixed")};
  for (engine::Node& node : graph.nodes) std::replace(node.inputs.begin(), node.inputs.end(), x, add.outputs[0]);
  const auto at = graph.nodes.begin() + static_cast<std::ptrdiff_t>(sums[3]) + 1;
  graph.nodes.insert(graph.nodes.insert(at, add), mean);

  const auto inputs = inputs_of(graph, kTexts, 30);
  const Prepared fused = prepare(graph);
  CHECK(fused.recognition.layers_recognised == 3);  // the one in front of the cut ends outside
  REQUIRE(fused.recognition.unfused.size() == 1);
  CHECK(fused.recognition.unfused[0].found == "ReduceMean");
  CHECK(row_encoders(*fused.plan) == 2);
  const auto want = run(*prepare(graph, {.recognise = false}).plan, inputs);
  const engine::Comparison c = engine::compare(run(*fused.plan, inputs)[0], want[0]);
  INFO(c.problem);
  CHECK(c.passed);
}

TEST_CASE("An id outside its table, and inputs that do not fit each other, are refused") {
  const Graph graph = EncoderGraph({.norm = EncoderStyle::Norm::pre}).graph();
  const Prepared fused = prepare(graph);
  auto inputs = inputs_of(graph, kTexts, kLength);
  inputs[0].data<std::int64_t>()[2] = EncoderGraph::kVocab;
  CHECK_THROWS_WITH(run(*fused.plan, inputs), Catch::Contains("outside the embedding table of 50 rows"));
  inputs = inputs_of(graph, kTexts, kLength);
  inputs[1] = inputs_of(graph, kTexts, kLength - 1)[1];
  CHECK_THROWS_AS(run(*fused.plan, inputs), Error);
}

}  // namespace
}  // namespace sesame::models
