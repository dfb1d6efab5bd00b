#include <atomic>
#include <memory>

#include "engine/plan.h"
#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/files.h"
#include "tests/support/small_graph.h"

namespace sesame::engine {
namespace {

using tests::run;
using tests::SmallGraph;

Tensor floats(const std::vector<float>& values) {
  return Tensor::of<float>({static_cast<std::int64_t>(values.size())}, values);
}

std::vector<float> values_of(const Tensor& t) {
  const auto s = t.span<float>();
  return {s.begin(), s.end()};
}

TEST_CASE("Graph outputs may be inputs, constants and each other") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1});
  const ValueId c = g.floats({7});
  const ValueId y = g.node("Neg", {x});
  for (ValueId id : {x, c, y, y}) g.output(id);
  const auto out = run(g.graph, {floats({1, 2})});
  REQUIRE(out.size() == 4);
  CHECK(values_of(out[0]) == std::vector<float>{1, 2});
  CHECK(values_of(out[1]) == std::vector<float>{7});
  CHECK(values_of(out[2]) == std::vector<float>{-1, -2});
  CHECK(values_of(out[3]) == std::vector<float>{-1, -2});
}

TEST_CASE("An input that is read late is not overwritten before") {
  SmallGraph g;
  const ValueId x = g.input("x", {4});
  ValueId y = x;
  for (int i = 0; i < 7; ++i) y = g.node("Neg", {y});
  g.output(g.node("Add", {x, y}));
  CHECK(values_of(run(g.graph, {floats({1, 2, 3, 4})})[0]) == std::vector<float>{0, 0, 0, 0});
}

TEST_CASE("A graph without inputs, without nodes, and of empty tensors") {
  SmallGraph constant;
  constant.output(constant.node("Neg", {constant.floats({3})}));
  CHECK(values_of(run(constant.graph, {})[0]) == std::vector<float>{-3});

  SmallGraph nothing;
  nothing.output(nothing.input("x", {-1}));
  CHECK(values_of(run(nothing.graph, {floats({5})})[0]) == std::vector<float>{5});

  SmallGraph empty;
  const ValueId x = empty.input("x", {-1, 3});
  empty.output(empty.node("Add", {empty.node("Neg", {x}), x}));
  const auto out = run(empty.graph, {Tensor::allocate(DType::f32, {0, 3})});
  CHECK(out[0].shape() == Shape{0, 3});
}

// y, nonzero indices, and what depends on them: the shape after NonZero is known only while running.
TEST_CASE("Nodes whose shapes depend on values run after the others and see them") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1});
  const ValueId y = g.node("Mul", {x, g.scalar(2)});
  const ValueId where = g.node("NonZero", {x});
  const ValueId flat = g.node("Squeeze", {where, g.ints({0})});
  g.output(g.node("Gather", {y, flat}, {{"axis", std::int64_t{0}}}));
  g.output(y);
  const Plan plan(g.graph);
  Runner runner(plan, {});
  for (const auto& [in, want] : std::vector<std::pair<std::vector<float>, std::vector<float>>>{
           {{0, 1, 0, 3}, {2, 6}}, {{1, 1, 1, 1}, {2, 2, 2, 2}}, {{0, 0, 0, 0}, {}}}) {
    const Tensor input = floats(in);
    const auto out = runner.run(std::span(&input, 1));
    CHECK(values_of(out[0]) == want);
    CHECK(out[1].size() == 4);
  }
}

TEST_CASE("A first output that the graph gave no name has a place all the same") {
  SmallGraph g;
  const ValueId x = g.input("x", {1, -1});
  const auto top = g.nodes("TopK", {x, g.ints({2})}, 2);
  g.graph.nodes.back().outputs[0] = kNoValue;
  g.output(top[1]);
  const auto out = run(g.graph, {Tensor::of<float>({1, 4}, {3, 9, 1, 7})});
  CHECK(to_int64s(out[0]) == std::vector<std::int64_t>{1, 3});
}

TEST_CASE("Inputs are checked against what the graph declares") {
  SmallGraph g;
  g.output(g.node("Neg", {g.input("x", {-1, 3})}));
  const Plan plan(g.graph);
  Runner runner(plan, {});
  const auto message = [&](const std::vector<Tensor>& inputs) {
    return message_of<Error>([&] { runner.run(inputs); });
  };
  CHECK(message({}) == "expected 1 inputs, found 0");
  CHECK(message({Tensor()}).find("input 'x'") == 0);
  CHECK(message({Tensor(DType::f32, {2, 3})}).find("input 'x'") == 0);  // described, without data
  CHECK(message({Tensor::allocate(DType::i64, {2, 3})}).find("expected float, found int64") != std::string::npos);
  CHECK(message({Tensor::allocate(DType::f32, {2, 4})}).find("[2, 4]") != std::string::npos);
  CHECK(message({Tensor::allocate(DType::f32, {3})}).find("[3]") != std::string::npos);
}

TEST_CASE("An input of no declared type may change its type between calls") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1});
  g.graph.value(x).declared_type.reset();
  g.output(g.node("Neg", {x}));
  const Plan plan(g.graph);
  Runner runner(plan, {});
  const Tensor narrow = floats({1, 2, 3});
  const Tensor wide = Tensor::of<double>({3}, {4, 5, 6});
  CHECK(runner.run(std::span(&narrow, 1))[0].data<float>()[2] == -3);
  CHECK(runner.run(std::span(&wide, 1))[0].data<double>()[2] == -6);
}

TEST_CASE("Shapes come and go, and the arena with them") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1});
  g.output(g.node("Add", {g.node("Neg", {x}), g.node("Mul", {x, x})}));
  const Plan plan(g.graph);
  Runner runner(plan, {.max_bindings = 2});
  for (int round = 0; round < 3; ++round) {
    for (std::int64_t n : {3, 4000, 1, 700, 3}) {
      const Tensor input = Tensor::allocate(DType::f32, {n});
      for (std::int64_t i = 0; i < n; ++i) input.data<float>()[i] = static_cast<float>(i % 10);
      const Tensor& out = runner.run(std::span(&input, 1))[0];
      REQUIRE(out.size() == n);
      CHECK(out.data<float>()[n - 1] == static_cast<float>((n - 1) % 10) * static_cast<float>((n - 1) % 10 - 1));
    }
  }
  CHECK(runner.arena_bytes() > 0);
  runner.trim();
  CHECK(runner.arena_bytes() == 0);
  const Tensor input = floats({2});
  CHECK(values_of(runner.run(std::span(&input, 1))[0]) == std::vector<float>{2});
}

// Several phases of many items, an error at one of them.
class Failing final : public Step {
 public:
  void infer(Inference& io) const override { io.output(0, DType::f32, io.input(0).shape()); }
  std::size_t phases() const override { return 3; }
  std::size_t items(const Execution&, std::size_t) const override { return 40; }
  void run(const Execution& e, std::size_t phase, std::size_t item, int) const override {
    if (phase == 1 && item == 30 && e.inputs[0].data<float>()[0] < 0) throw Error("a negative number");
    if (phase == 2 && item == 0) std::copy_n(e.inputs[0].data<float>(), e.inputs[0].size(), e.outputs[0].data<float>());
  }
};

TEST_CASE("An error in a phase names the node, and the runner goes on working") {
  SmallGraph g;
  g.output(g.node("Failing", {g.input("x", {-1})}));
  g.graph.nodes[0].step = std::make_shared<Failing>();
  g.graph.nodes[0].name = "fragile";
  const Plan plan(g.graph);
  for (int threads : {1, 2, 5}) {
    Runner runner(plan, {.threads = threads});
    const Tensor bad = floats({-1});
    const Tensor good = floats({4});
    CHECK(message_of<Error>([&] { runner.run(std::span(&bad, 1)); }) == "node 'fragile' (Failing): a negative number");
    CHECK(values_of(runner.run(std::span(&good, 1))[0]) == std::vector<float>{4});
  }
}

TEST_CASE("A profile has a time for every phase") {
  SmallGraph g;
  g.output(g.node("Failing", {g.node("Neg", {g.input("x", {-1})})}));
  g.graph.nodes[1].step = std::make_shared<Failing>();
  const Plan plan(g.graph);
  Runner runner(plan, {});
  const Tensor input = floats({-1});
  runner.set_profiling(true);
  runner.run(std::span(&input, 1));
  REQUIRE(runner.profile().size() == 4);
  CHECK(runner.profile()[0].node == 0);
  CHECK(runner.profile()[3].node == 1);
  CHECK(runner.profile()[3].phase == 2);
  for (const PhaseTime& t : runner.profile()) CHECK(t.milliseconds >= 0);
}

TEST_CASE("Thread counts that make no sense are refused") {
  SmallGraph g;
  g.output(g.input("x", {-1}));
  const Plan plan(g.graph);
  for (int threads : {-1, 0, 1 << 30}) CHECK_THROWS_AS(Runner(plan, {.threads = threads}), Error);
}

}  // namespace
}  // namespace sesame::engine
