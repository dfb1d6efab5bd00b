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

// Recognised with nothing left, and with the answers of the graph as exported.
void check_fused(const EncoderGraph& encoder, const std::vector<Tensor>& inputs) {
  const auto want = run(encoder.raw(), inputs);
  const Prepared fused = prepare(encoder.graph());
  CHECK(fused.recognition.layers_total == 2);
  CHECK(fused.recognition.layers_recognised == 2);
  CHECK(fused.recognition.unfused.empty());
  for (const char* op : {"Softmax", "MatMul", "Einsum", "Conv", "Transpose"}) {
    CHECK(test::count(fused.plan->graph(), op) == 0);
  }
  const auto got = run(*fused.plan, inputs);
  const engine::Comparison c = engine::compare(got[0], want[0]);
  INFO(c.problem);
  CHECK(c.passed);
}

TEST_CASE("Every spelling of attention and its mask becomes the layers that it spells") {
  const Case cases[] = {
      {"divided queries", {.scores = Scores::divided_query}},
      {"half a scale on either side", {.scores = Scores::sdpa}},
      {"half a scale from the shape", {.scores = Scores::sdpa_from_shape}},
      {"keys turned in a batch of heads", {.scores = Scores::batched}},
      {"heads merged with the batch, which is second", {.scores = Scores::merged}},
      {"the same of one projection", {.projection = EncoderStyle::Projection::split, .scores = Scores::merged}},
      {"the same without a mask", {.scores = Scores::merged, .mask = MaskIs::none}},
      {"the same between norms",
       {.norm = EncoderStyle::Norm::pre, .projection = EncoderStyle::Projection::split, .scores = Scores::merged}},
      {"a mask expanded to pairs, then filled", {.scores = Scores::sdpa_from_shape, .mask = MaskIs::expanded}},
      {"a bool mask, then -infinity", {.scores = Scores::sdpa, .mask = MaskIs::sdpa_bool}},
      {"a bool mask, NaN cleared", {.scores = Scores::sdpa, .mask = MaskIs::sdpa_bool, .guards_nan = true}},
      {"a finite mask, NaN cleared", {.mask = MaskIs::expanded, .guards_nan = true}},
      {"a mask expanded to the scores", {.mask = MaskIs::where}},
      {"no mask", {.scores = Scores::sdpa, .mask = MaskIs::none}},
      {"one projection split in three", {.projection = EncoderStyle::Projection::split}},
      {"one projection sliced", {.projection = EncoderStyle::Projection::split, .split_slices = true}},
      {"parts picked from one projection", {.projection = EncoderStyle::Projection::by_part}},
      {"heads of three parts each", {.projection = EncoderStyle::Projection::by_head, .scores = Scores::sdpa}},
      {"einsums", {.scores = Scores::einsum}},
      {"rows folded for each Gemm", {.folds_rows = true}},
      {"a condition that always holds", {.mask = MaskIs::always_true, .guards_nan = true}},
      {"a condition of queries and keys", {.mask = MaskIs::causal, .guards_nan = true}},
      {"the same between norms", {.norm = EncoderStyle::Norm::pre, .mask = MaskIs::causal, .guards_nan = true}},
      {"quick GELU", {.activation = EncoderStyle::Activation::quick_gelu}},
      {"quick GELU between norms",
       {.norm = EncoderStyle::Norm::pre, .activation = EncoderStyle::Activation::quick_gelu}},
      {"quick GELU in one node", {.activation = EncoderStyle::Activation::fused_quick_gelu}},
      {"SiLU", {.activation = EncoderStyle::Activation::silu}},
      {"grouped convolutions", {.projection = EncoderStyle::Projection::convolution, .groups = 2}}};
  for (const Case& each : cases) {
    INFO(each.what);
    const EncoderGraph encoder(each.style);
    for (const bool with_empty : {false, true}) check_fused(encoder, inputs_of(encoder.graph(), with_empty));
  }
}

Tensor ids_of(const engine::Shape& shape) {
  const Tensor ids = Tensor::allocate(engine::DType::i64, shape);
  for (std::int64_t i = 0; i < ids.size(); ++i) ids.data<std::int64_t>()[i] = (7 * i + 3) % EncoderGraph::kVocab;
  return ids;
}

TEST_CASE("A mask for each query is the layers' own, of floats or bools, from each end of a classifier") {
  constexpr std::int64_t kBatch = 2, kLength = 19;
  const Tensor ids = ids_of({kBatch, kLength});
  const Tensor mask = Tensor::allocate(engine::DType::i64, {kBatch, kLength, kLength});
  for (std::int64_t i = 0; i < mask.size(); ++i) {
    const std::int64_t query = i / kLength % kLength, key = i % kLength;
    const bool nothing = query == 5;  // attends to all of it evenly
    mask.data<std::int64_t>()[i] = !nothing && (key + 3 * query) % 4 != 0 ? 1 : 0;
  }
  for (const MaskIs is : {MaskIs::pairs, MaskIs::pairs_bool}) {
    for (const auto norm : {EncoderStyle::Norm::post, EncoderStyle::Norm::pre}) {
      for (const bool first_row : {false, true}) {
        CAPTURE(static_cast<int>(is), static_cast<int>(norm), first_row);
        check_fused(EncoderGraph({.norm = norm, .mask = is, .first_row = first_row}), {ids, mask});
      }
    }
  }
}

TEST_CASE("Choices that were folded into the batch are texts like others") {
  const Tensor ids = ids_of({2, 3, 9});
  const Tensor mask = Tensor::allocate(engine::DType::i64, ids.shape());
  for (std::int64_t i = 0; i < mask.size(); ++i) mask.data<std::int64_t>()[i] = i % 9 < 5 + i / 9 % 4 ? 1 : 0;
  for (const auto scores : {Scores::divided, Scores::sdpa_from_shape}) {
    check_fused(EncoderGraph({.scores = scores, .choices = true}), {ids, mask});
  }
}

}  // namespace
}  // namespace sesame::models
