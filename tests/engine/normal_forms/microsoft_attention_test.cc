#include "engine/compare.h"
#include "engine/normal_forms/normal_forms.h"
#include "tests/catch.h"
#include "tests/support/small_graph.h"

namespace sesame::engine {
namespace {

using test::count;
using test::random_floats;
using test::run;
using test::SmallGraph;

constexpr std::int64_t kBatch = 2, kLength = 5, kHidden = 8;

// The operator's own answer and that of the graph in normal forms, which must no longer hold it.
void check_taken_apart(const SmallGraph& g, const std::vector<Tensor>& inputs) {
  const auto want = run(g.graph, inputs);
  Graph forms = g.graph;
  CHECK(take_fusions_apart(forms));
  CHECK(count(forms, "Attention") + count(forms, "MultiHeadAttention") == 0);
  CHECK(count(forms, "Softmax") == 1);
  const auto got = run(forms, inputs);
  REQUIRE(got.size() == want.size());
  const Comparison c = compare(got[0], want[0], {.absolute = 1e-6, .relative = 1e-6});
  INFO(c.problem);
  CHECK(c.passed);
}

struct MaskCase {
  const char* what;
  Shape declared;
  Tensor mask;
};

std::vector<MaskCase> masks() {
  const std::vector<std::int32_t> square = {1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 0, 1, 0, 1, 1, 0, 0, 0, 0,
                                            1, 1, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 1, 1, 0};
  return {{"ends", {-1}, Tensor::of<std::int32_t>({2}, {5, 2})},
          {"nothing kept", {-1}, Tensor::of<std::int32_t>({2}, {0, 5})},
          {"ends and begins", {4}, Tensor::of<std::int32_t>({4}, {4, 5, 1, 3})},
          {"kept positions", {-1, -1}, Tensor::of<std::int32_t>({2, 5}, {1, 0, 2, 1, 0, 1, 1, -1, 0, 0})},
          {"pairs", {-1, -1, 5}, Tensor::of<std::int32_t>({2, 5, 5}, square)}};
}

TEST_CASE("Attention taken apart gives what the operator gives, under every kind of mask") {
  for (const MaskCase& each : masks()) {
    INFO(each.what);
    const bool fixed = each.declared == Shape{4} || each.declared.size() == 3;
    SmallGraph g;
    const ValueId x = g.input("x", fixed ? Shape{kBatch, kLength, kHidden} : Shape{-1, -1, kHidden});
    const ValueId mask = g.input("mask", fixed ? each.mask.shape() : each.declared, DType::i32);
    const ValueId weight = g.constant(random_floats({kHidden, 3 * kHidden}, 1));
    const ValueId bias = g.constant(random_floats({3 * kHidden}, 2));
    g.output(g.node("Attention", {x, weight, bias, mask},
                    {{"num_heads", std::int64_t{2}}, {"mask_filter_value", -1e4f}}, "com.microsoft"));
    check_taken_apart(g, {random_floats({kBatch, kLength, kHidden}, 3), each.mask});
  }
}

TEST_CASE("Attention with values of another width and a scale of its own is taken apart too") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1, -1, kHidden});
  const ValueId weight = g.constant(random_floats({kHidden, 20}, 1));
  g.output(g.node(
      "Attention", {x, weight, kNoValue},
      {{"num_heads", std::int64_t{2}}, {"scale", 0.25f}, {"qkv_hidden_sizes", std::vector<std::int64_t>{8, 8, 4}}},
      "com.microsoft"));
  check_taken_apart(g, {random_floats({kBatch, kLength, kHidden}, 3)});
}

TEST_CASE("MultiHeadAttention taken apart gives what the operator gives") {
  SmallGraph g;
  const ValueId q = g.input("q", {-1, -1, kHidden});
  const ValueId k = g.input("k", {-1, -1, kHidden});
  const ValueId v = g.input("v", {-1, -1, kHidden});
  const ValueId mask = g.input("mask", {-1, -1}, DType::i32);
  const ValueId bias = g.constant(random_floats({3 * kHidden}, 4));
  const ValueId scores = g.constant(random_floats({1, 2, kLength, kLength}, 5));
  g.output(
      g.node("MultiHeadAttention", {q, k, v, bias, mask, scores}, {{"num_heads", std::int64_t{2}}}, "com.microsoft"));
  check_taken_apart(g, {random_floats({kBatch, kLength, kHidden}, 6), random_floats({kBatch, kLength, kHidden}, 7),
                        random_floats({kBatch, kLength, kHidden}, 8),
                        Tensor::of<std::int32_t>({2, 5}, {1, 1, 1, 0, 0, 1, 1, 1, 1, 1})});
}

TEST_CASE("Attention that does more than attend stays whole") {
  for (const char* attribute : {"unidirectional", "do_rotary"}) {
    SmallGraph g;
    const ValueId x = g.input("x", {-1, -1, kHidden});
    g.output(g.node("Attention", {x, g.constant(random_floats({kHidden, 24}, 1)), kNoValue},
                    {{"num_heads", std::int64_t{2}}, {attribute, std::int64_t{1}}}, "com.microsoft"));
    CHECK_FALSE(take_fusions_apart(g.graph));
    CHECK(count(g.graph, "Attention") == 1);
  }
}

}  // namespace
}  // namespace sesame::engine
