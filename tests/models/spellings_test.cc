// Encoders in the spellings of exporters that the conformance models don't show.
#include "engine/compare.h"
#include "engine/plan.h"
#include "models/layer_pattern.h"
#include "tests/catch.h"
#include "tests/models/encoder_graph.h"
#include "tests/models/prepared.h"

namespace sesame::models {
namespace {

using engine::Tensor;
using test::run;
using MaskIs = EncoderStyle::MaskIs;
using Scores = EncoderStyle::Scores;

struct Case {
  const char* what;
  EncoderStyle style;
};

// A batch in which one text has no token at all, when asked.
std::vector<Tensor> inputs_of(const engine::Graph& graph, bool with_empty) {
  auto inputs = padded(graph, made_up({5, 9, 2}, EncoderGraph::kVocab), 9);
  if (with_empty && inputs.size() > 1) std::fill_n(inputs[1].data<std::int64_t>() + 9, 9, 0);
  return inputs;
}

TEST_CASE("Every spelling of attention and its mask becomes the layers that it spells") {
  const Case cases[] = {
      {"divided queries", {.scores = Scores::divided_query}},
      {"half a scale on either side", {.scores = Scores::sdpa}},
      {"half a scale from the shape", {.scores = Scores::sdpa_from_shape}},
      {"keys turned in a batch of heads", {.scores = Scores::batched}},
      {"a mask expanded to pairs, then filled", {.scores = Scores::sdpa_from_shape, .mask = MaskIs::expanded}},
      {"a bool mask, then -infinity", {.scores = Scores::sdpa, .mask = MaskIs::sdpa_bool}},
      {"a bool mask, NaN cleared", {.scores = Scores::sdpa, .mask = MaskIs::sdpa_bool, .guards_nan = true}},
      {"a finite mask, NaN cleared", {.mask = MaskIs::expanded, .guards_nan = true}},
      {"a mask expanded to the scores", {.mask = MaskIs::where}},
      {"no mask", {.scores = Scores::sdpa, .mask = MaskIs::none}},
      {"one projection split in three", {.projection = EncoderStyle::Projection::split}},
      {"one projection sliced", {.projection = EncoderStyle::Projection::split, .split_slices = true}},
      {"grouped convolutions", {.projection = EncoderStyle::Projection::convolution, .groups = 2}}};
  for (const Case& each : cases) {
    INFO(each.what);
    const EncoderGraph encoder(each.style);
    const engine::Graph graph = encoder.graph();
    for (const bool with_empty : {false, true}) {
      const auto inputs = inputs_of(graph, with_empty);
      const auto want = run(encoder.raw(), inputs);
      const Prepared fused = prepare(graph);
      CHECK(fused.recognition.layers_total == 2);
      CHECK(fused.recognition.layers_recognised == 2);
      CHECK(fused.recognition.unfused.empty());
      for (const char* op : {"Softmax", "MatMul", "LayerNormalization", "Conv", "Transpose", "Linear"}) {
        CHECK(test::count(fused.plan->graph(), op) == 0);
      }
      const auto got = run(*fused.plan, inputs);
      const engine::Comparison c = engine::compare(got[0], want[0]);
      INFO(c.problem);
      CHECK(c.passed);
    }
  }
}

}  // namespace
}  // namespace sesame::models
