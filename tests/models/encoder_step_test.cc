#include "models/encoder_step.h"

#include <cmath>

#include "engine/compare.h"
#include "kernels/isa.h"
#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/files.h"
#include "tests/models/prepared.h"

namespace sesame::models {
namespace {

using engine::Comparison;
using engine::LinearPrecision;
using engine::RunnerOptions;
using engine::Tensor;
using test::run;

// Heads of 64, 32 and 11: whole numbers of panels, and an odd one.
synthesis::ModelSpec spec_of(std::string_view architecture, std::int64_t head_dim, std::int64_t heads,
                             synthesis::Task task = synthesis::Task::sequence_classification) {
  synthesis::ModelSpec spec = synthesis::tiny(architecture, task, 3);
  spec.hidden = head_dim * heads;
  spec.heads = heads;
  spec.ffn = 77;
  return spec;
}

std::vector<synthesis::ModelSpec> classifiers() {
  return {spec_of("distilbert", 64, 2), spec_of("distilbert", 32, 2), spec_of("bert", 11, 3)};
}

const Sequences kTexts = made_up({5, 17, 3, 30}, 120);

const How kPrecisions[] = {{},
                           {.linears = LinearPrecision::bf16, .attention = AttentionPrecision::bf16},
                           {.linears = LinearPrecision::int8},
                           {.linears = LinearPrecision::int8, .attention = AttentionPrecision::int8}};

void check_near(const std::vector<Tensor>& got, const std::vector<Tensor>& want, double relative) {
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    const Comparison c = engine::compare(got[i], want[i], {.absolute = 1e-5, .relative = relative});
    INFO(c.problem);
    CHECK(c.passed);
  }
}

TEST_CASE("An encoder gives what its graph gives operator by operator, at every position") {
  using synthesis::Task;
  for (const char* architecture : {"distilbert", "bert", "minilm"}) {
    for (Task task : {Task::encoder, Task::sequence_classification, Task::token_classification}) {
      const auto spec = spec_of(architecture, 11, 3, task);
      INFO(architecture << " " << synthesis::name(task));
      const engine::Graph graph = normal_graph(spec);
      for (LinearPrecision linears : {LinearPrecision::fp32, LinearPrecision::bf16, LinearPrecision::int8}) {
        const Prepared fused = prepare(graph, {.linears = linears});
        const Prepared plain = prepare(graph, {.linears = linears, .recognise = false});
        REQUIRE(fused.recognition.layers_recognised == 2);
        for (bool left : {false, true}) {
          const auto inputs = padded(graph, kTexts, 33, left);
          // A last bit that differs before a row is rounded may move a value by one of 127 steps or of 2^8.
          check_near(run(*fused.plan, inputs), run(*plain.plan, inputs),
                     linears == LinearPrecision::fp32 ? 1e-4 : 1e-2);
        }
      }
    }
  }
}

std::vector<std::vector<float>> texts_alone(const Prepared& model, const engine::Graph& graph, kernels::Isa isa) {
  std::vector<std::vector<float>> alone;
  for (const auto& text : kTexts) {
    alone.push_back(row(run(*model.plan, padded(graph, {text}, text.size()), {.isa = isa})[0], 0));
  }
  return alone;
}

// AMX adds bf16 in an order of its own: one answer too, but another.
bool adds_in_tiles(const How& how, kernels::Isa isa) {
  return how.linears == LinearPrecision::bf16 && (isa == kernels::Isa::amx || isa == kernels::Isa::amx_emulated);
}

TEST_CASE("A text has the same bits in any batch, with any padding, on any threads, at every level") {
  for (const auto& spec : classifiers()) {
    const engine::Graph graph = normal_graph(spec);
    for (const How& how : kPrecisions) {
      INFO(spec.architecture << " hidden " << spec.hidden << " " << engine::name(how.linears));
      const Prepared model = prepare(graph, how);
      std::vector<std::vector<float>> alone = texts_alone(model, graph, kernels::Isa::scalar);
      const std::vector<std::vector<std::size_t>> orders = {{0},          {3},          {0, 1},
                                                            {0, 1, 2, 3}, {3, 2, 1, 0}, {2, 2, 0, 3, 1, 2}};
      for (kernels::Isa isa : kernels::runnable_isas()) {
        if (adds_in_tiles(how, isa)) alone = texts_alone(model, graph, isa);
        // On three threads blocks differ from those of the texts alone; more say something of threads, not of levels.
        const bool all = isa == kernels::default_isa();
        for (int threads : all ? std::vector<int>{1, 2, 3, 40} : std::vector<int>{3}) {
          for (bool padded_positions : {false, true}) {
            engine::Runner runner(*model.plan, {.isa = isa, .threads = threads, .padded_positions = padded_positions});
            for (const auto& order : orders) {
              Sequences batch;
              for (std::size_t i : order) batch.push_back(kTexts[i]);
              for (std::size_t length : {30u, 37u}) {
                const Tensor& logits = runner.run(padded(graph, batch, length))[0];
                for (std::size_t b = 0; b < order.size(); ++b) CHECK(same_bits(row(logits, b), alone[order[b]]));
              }
            }
          }
        }
      }
    }
  }
}

// Wide enough that threads share the columns of a GEMM where they are too many for the rows.
TEST_CASE("Few rows have the same bits on any threads") {
  using synthesis::Task;
  for (const Task task : {Task::encoder, Task::sequence_classification}) {
    const engine::Graph graph = normal_graph(spec_of("distilbert", 64, 12, task));
    for (const How& how : kPrecisions) {
      const Prepared model = prepare(graph, how);
      for (const bool left : {false, true}) {
        const auto inputs = padded(graph, kTexts, 33, left);
        const auto want = run(*model.plan, inputs, {.padded_positions = false});
        for (int threads : {2, 3, 5}) {
          const auto got = run(*model.plan, inputs, {.threads = threads, .padded_positions = false});
          CHECK(test::equal_bits(got[0], want[0]));
        }
      }
    }
  }
}

TEST_CASE("Hidden states have the same bits however a batch is padded, and zeros where nobody reads") {
  const auto spec = spec_of("distilbert", 11, 3, synthesis::Task::encoder);
  const engine::Graph graph = normal_graph(spec);
  const Prepared model = prepare(graph);
  const Tensor alone = run(*model.plan, padded(graph, {kTexts[0]}, 5))[0];
  const Tensor full = run(*model.plan, padded(graph, {kTexts[1], kTexts[0]}, 20), {.padded_positions = true})[0];
  const Tensor keys = run(*model.plan, padded(graph, {kTexts[1], kTexts[0]}, 20), {.padded_positions = false})[0];
  const auto h = static_cast<std::size_t>(spec.hidden);
  for (const Tensor* t : {&full, &keys}) {
    CHECK(std::memcmp(t->data<float>() + 20 * h, alone.data<float>(), 5 * h * sizeof(float)) == 0);
  }
  bool all_zero = true;
  bool none_zero = true;
  for (std::size_t i = 25 * h; i < 40 * h; ++i) {
    all_zero &= keys.data<float>()[i] == 0;
    none_zero &= full.data<float>()[i] != 0;
  }
  CHECK(all_zero);
  CHECK(none_zero);
}

// The value that the classifier's first-row Gather reads.
engine::ValueId hidden_state(const engine::Graph& graph) {
  for (const engine::Node& node : graph.nodes) {
    if (node.is("Gather") && node.attributes.integer("axis", 0) == 1) return node.input(0);
  }
  return engine::kNoValue;
}

TEST_CASE("A last layer of first rows only gives the bits of the whole one") {
  for (const auto& spec : classifiers()) {
    engine::Graph graph = normal_graph(spec);
    const engine::ValueId hidden = hidden_state(graph);
    REQUIRE(hidden != engine::kNoValue);
    engine::Graph whole = graph;
    whole.outputs.push_back(hidden);
    for (const How& how : kPrecisions) {
      const Prepared pruned = prepare(graph, how);
      const Prepared full = prepare(whole, how);
      CHECK(pruned.recognition.structs.back().find("first row only") != std::string::npos);
      CHECK(full.recognition.structs.back().find("first row only") == std::string::npos);
      for (bool left : {false, true}) {  // left padding masks position 0, which is read all the same
        const auto inputs = padded(graph, kTexts, 31, left);
        const auto want = run(*full.plan, inputs);
        CHECK(test::equal_bits(run(*pruned.plan, inputs)[0], want[0]));
        for (int threads : {2, 3}) CHECK(test::equal_bits(run(*pruned.plan, inputs, {.threads = threads})[0], want[0]));
      }
    }
  }
}

TEST_CASE("Masks with holes, of everything and of nothing are what the graph makes of them") {
  for (const char* architecture : {"distilbert", "bert"}) {
    const engine::Graph graph = normal_graph(spec_of(architecture, 11, 3));
    const Prepared fused = prepare(graph);
    const Prepared plain = prepare(graph, {.recognise = false});
    auto inputs = padded(graph, made_up({8, 8, 8, 8}, 120), 8);
    auto* mask = inputs[1].data<std::int64_t>();
    const int rows[4][8] = {
        {1, 0, 1, 0, 0, 1, 1, 0}, {0, 0, 0, 0, 0, 0, 0, 0}, {0, 0, 0, 1, 0, 0, 0, 0}, {1, 1, 1, 1, 1, 1, 1, 1}};
    for (int b = 0; b < 4; ++b) {
      for (int p = 0; p < 8; ++p) mask[b * 8 + p] = rows[b][p];
    }
    check_near(run(*fused.plan, inputs), run(*plain.plan, inputs), 1e-4);
  }
}

TEST_CASE("Many texts on one thread go in blocks") {
  const auto spec = spec_of("distilbert", 11, 3);
  const engine::Graph graph = normal_graph(spec);
  const Prepared model = prepare(graph, {.linears = LinearPrecision::int8});
  const Sequences many = made_up(std::vector<std::size_t>(40, 13), 120);  // 520 rows, blocks of at most 128
  const Tensor together = run(*model.plan, padded(graph, many, 13))[0];
  for (std::size_t b : {0u, 9u, 10u, 39u}) {
    CHECK(same_bits(row(together, b), row(run(*model.plan, padded(graph, {many[b]}, 13))[0], 0)));
  }
}

TEST_CASE("First rows of many texts go in blocks") {
  const engine::Graph graph = normal_graph(spec_of("distilbert", 11, 3));
  const Sequences many =
      made_up(std::vector<std::size_t>(300, 3), 120);  // as many first rows, in blocks of at most 128
  for (const How& how : kPrecisions) {
    const Prepared model = prepare(graph, how);
    for (int threads : {1, 3}) {
      const Tensor together = run(*model.plan, padded(graph, many, 3), {.threads = threads})[0];
      for (std::size_t b : {0u, 99u, 100u, 128u, 299u}) {
        CHECK(same_bits(row(together, b), row(run(*model.plan, padded(graph, {many[b]}, 3))[0], 0)));
      }
    }
  }
}

TEST_CASE("Ids outside the table are refused with their place; negative ones count from the end") {
  const engine::Graph graph = normal_graph(spec_of("distilbert", 11, 3));
  const Prepared model = prepare(graph);
  auto inputs = padded(graph, made_up({6, 6}, 120), 6);
  auto* ids = inputs[0].data<std::int64_t>();
  const auto message = [&] { return message_of<Error>([&] { run(*model.plan, inputs); }); };
  for (std::int64_t bad : {std::int64_t{120}, std::int64_t{-121}, std::int64_t{1} << 40}) {
    ids[9] = bad;
    CHECK(message().find("id " + std::to_string(bad) + " at [1, 3] is outside the embedding table of 120 rows") !=
          std::string::npos);
  }
  ids[9] = 119;
  const Tensor want = run(*model.plan, inputs)[0];
  ids[9] = -1;
  CHECK(test::equal_bits(run(*model.plan, inputs)[0], want));
  inputs[1].data<std::int64_t>()[11] = 0;
  ids[11] = 1 << 30;  // padding that nobody computes
  CHECK_NOTHROW(run(*model.plan, inputs, {.padded_positions = false}));
}

TEST_CASE("Positions beyond the table are refused") {
  const engine::Graph graph = normal_graph(spec_of("distilbert", 11, 3));
  const Prepared model = prepare(graph);
  CHECK(model.recognition.position_rows == 40);
  CHECK_NOTHROW(run(*model.plan, padded(graph, made_up({40}, 120), 40)));
  CHECK_THROWS_AS(run(*model.plan, padded(graph, made_up({41}, 120), 41)), Error);
}

// A step of one layer by hand, to reach what no exported graph asks of it.
std::shared_ptr<const EncoderStep> step_of(MaskKind kind, bool first_row_only = false) {
  constexpr std::int64_t kHidden = 10;
  unsigned seed = 1;
  const auto linear = [&](std::int64_t in, std::int64_t out) {
    return engine::LinearWeights{test::random_floats({in, out}, seed++), test::random_floats({out}, seed++), false};
  };
  const LayerNorm norm{test::random_floats({kHidden}, 90), test::random_floats({kHidden}, 91), 1e-5f};
  EncoderLayer layer;
  layer.heads = 2;
  layer.head_dim = 5;
  layer.score_scale = 0.4f;
  const engine::LinearWeights parts[] = {linear(10, 10), linear(10, 10), linear(10, 10)};
  layer.query_key_value = engine::Linear(parts, engine::LinearPrecision::fp32);
  layer.attn_out = engine::Linear(linear(10, 10), engine::LinearPrecision::fp32);
  layer.ffn_in = engine::Linear(linear(10, 7), engine::LinearPrecision::fp32);
  layer.ffn_out = engine::Linear(linear(7, 10), engine::LinearPrecision::fp32);
  layer.attn_norm = layer.ffn_norm = norm;
  Encoder encoder;
  encoder.embeddings.tables = {{test::random_floats({20, kHidden}, 50), {}},
                               {test::random_floats({9, kHidden}, 51), {}}};
  encoder.layers.push_back(std::move(layer));
  encoder.hidden = kHidden;
  encoder.mask = {kind, -1e9f};
  encoder.first_row_only = first_row_only;
  return std::make_shared<EncoderStep>(std::move(encoder));
}

std::vector<Tensor> run_step(const std::shared_ptr<const EncoderStep>& step, const std::vector<Tensor>& inputs,
                             const RunnerOptions& options = {}) {
  test::SmallGraph g;
  std::vector<engine::ValueId> ids;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    ids.push_back(g.graph.add_value("in" + std::to_string(i)));
    g.graph.inputs.push_back(ids.back());
  }
  g.output(g.node("Encoder", ids, {}, std::string(engine::kSesame)));
  g.graph.nodes[0].step = step;
  return run(g.graph, inputs, options);
}

Tensor ids(engine::Shape shape, std::int64_t first = 0) {
  Tensor t = Tensor::allocate(engine::DType::i32, std::move(shape));
  for (std::int64_t i = 0; i < t.size(); ++i)
    t.data<std::int32_t>()[i] = static_cast<std::int32_t>((first + i * 7) % 9);
  return t;
}

TEST_CASE("Inputs broadcast over batch and length; batches and lengths of 0 have no rows") {
  const auto step = step_of(MaskKind::none);
  CHECK(run_step(step, {ids({3, 4}), ids({1, 4})})[0].shape() == engine::Shape{3, 4, 10});
  CHECK(run_step(step, {ids({4}), ids({3, 1})})[0].shape() == engine::Shape{3, 4, 10});
  CHECK(run_step(step, {ids({}), ids({})})[0].shape() == engine::Shape{1, 1, 10});
  for (int threads : {1, 2}) {
    CHECK(run_step(step, {ids({0, 4}), ids({1, 4})}, {.threads = threads})[0].shape() == engine::Shape{0, 4, 10});
    CHECK(run_step(step, {ids({3, 0}), ids({1, 0})}, {.threads = threads})[0].shape() == engine::Shape{3, 0, 10});
    CHECK(run_step(step_of(MaskKind::none, true), {ids({0, 4}), ids({1, 4})}, {.threads = threads})[0].shape() ==
          engine::Shape{0, 10});
  }
  CHECK_THROWS_AS(run_step(step_of(MaskKind::none, true), {ids({3, 0}), ids({1, 0})}), Error);
}

TEST_CASE("Inputs and masks that do not fit are refused, never read") {
  const auto step = step_of(MaskKind::additive);
  const auto refused = [&](const std::vector<Tensor>& inputs) {
    return message_of<Error>([&] { run_step(step, inputs); });
  };
  const Tensor mask = Tensor::of<float>({2, 1, 1, 3}, {0, 0, 0, 0, 0, 0});
  CHECK_NOTHROW(run_step(step, {ids({2, 3}), ids({1, 3}), mask}));
  CHECK_NOTHROW(run_step(step, {ids({2, 3}), ids({1, 3}), Tensor::of<float>({3}, {0, 0, 0})}));
  CHECK_NOTHROW(run_step(step, {ids({2, 3}), ids({1, 3}), Tensor::of<float>({1, 1, 1, 3}, {0, 0, 0})}));
  CHECK(refused({ids({2, 3}), ids({1, 4}), mask}).find("broadcast") != std::string::npos);
  CHECK(refused({ids({1, 2, 3}), ids({1, 3}), mask}).find("[1, 2, 3]") != std::string::npos);
  CHECK(refused({test::random_floats({2, 3}, 1), ids({1, 3}), mask}).find("token ids") != std::string::npos);
  CHECK(refused({ids({2, 3}), ids({1, 3})}).find("missing") != std::string::npos);
  CHECK(refused({ids({2, 3}), ids({1, 3}), Tensor::of<bool>({2, 3}, {true, true, true, true, true, true})})
            .find("expected float, found bool") != std::string::npos);
  for (const engine::Shape& shape :
       {engine::Shape{2, 1, 1, 1}, engine::Shape{3, 2}, engine::Shape{}, engine::Shape{3, 1}}) {
    CHECK(refused({ids({2, 3}), ids({1, 3}), test::random_floats(shape, 1)}).find("mask: ") != std::string::npos);
  }
}

TEST_CASE("An all-masked sequence under -infinity is NaN, and its neighbours are not") {
  const auto step = step_of(MaskKind::additive);
  const float inf = INFINITY;
  const Tensor out =
      run_step(step, {ids({2, 3}), ids({1, 3}), Tensor::of<float>({2, 3}, {-inf, -inf, -inf, 0, 0, -inf})})[0];
  for (int i = 0; i < 30; ++i) CHECK(std::isnan(out.data<float>()[i]));
  for (int i = 30; i < 60; ++i) CHECK(std::isfinite(out.data<float>()[i]));
}

TEST_CASE("The multiply-adds of a pass") {
  const Encoder& encoder = step_of(MaskKind::none)->encoder();
  const std::size_t lengths[] = {3, 5};
  // A row: four projections of 10 x 10 and two of 10 x 7; attention: 2 * 10 a pair of query and key.
  CHECK(multiply_adds(encoder, lengths) == 8 * (4 * 100 + 2 * 70) + 2 * 10 * (9 + 25));
  const Encoder& first = step_of(MaskKind::none, true)->encoder();
  CHECK(multiply_adds(first, lengths) == 8 * 200 + 2 * (2 * 100 + 2 * 70) + 2 * 10 * (3 + 5));
}

}  // namespace
}  // namespace sesame::models
