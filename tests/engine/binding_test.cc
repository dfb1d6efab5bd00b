#include "engine/binding.h"

#include <cstddef>
#include <cstdint>
#include <memory>

#include "engine/memory.h"
#include "tests/catch.h"
#include "tests/files.h"
#include "tests/support/small_graph.h"

namespace sesame::engine {
namespace {

using test::SmallGraph;

const RunnerOptions kOptions;

TEST_CASE("What follows from shapes alone is computed while binding and left out of the pass") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1, 6});
  const ValueId rows = g.node("Gather", {g.node("Shape", {x}), g.ints({0})}, {{"axis", std::int64_t{0}}});
  const ValueId shape = g.node("Concat", {rows, g.ints({2, 3})}, {{"axis", std::int64_t{0}}});
  g.output(g.node("Reshape", {x, shape}));
  g.output(shape);
  const Plan plan(g.graph);
  const Tensor input(DType::f32, {4, 6});
  const Binding binding(plan, std::span(&input, 1), kOptions);
  CHECK(binding.steps().size() == 1);
  CHECK(binding.first_dynamic_node() == plan.steps());
  CHECK(to_int64s(binding.values()[static_cast<std::size_t>(shape)]) == std::vector<std::int64_t>{4, 2, 3});
}

TEST_CASE("A chain takes the memory of its widest two values") {
  SmallGraph g;
  ValueId x = g.input("x", {1000});
  for (int i = 0; i < 20; ++i) x = g.node("Neg", {x});
  g.output(x);
  const Plan plan(g.graph);
  const Tensor input(DType::f32, {1000});
  const Binding binding(plan, std::span(&input, 1), kOptions);
  CHECK(binding.arena_bytes() == 2 * 4032);
}

TEST_CASE("A binding fits the types and shapes that it was made for") {
  SmallGraph g;
  g.output(g.node("Neg", {g.input("x", {-1})}));
  const Plan plan(g.graph);
  const Tensor input(DType::f32, {4});
  const Binding binding(plan, std::span(&input, 1), kOptions);
  const auto fits = [&](const Tensor& t) { return binding.fits(std::span(&t, 1)); };
  CHECK(fits(Tensor(DType::f32, {4})));
  CHECK_FALSE(fits(Tensor(DType::f32, {5})));
  CHECK_FALSE(fits(Tensor(DType::f32, {4, 1})));
  CHECK_FALSE(fits(Tensor(DType::f64, {4})));  // of the same shape and twice the bytes
}

TEST_CASE("Attaching to another arena moves every tensor") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1});
  const ValueId y = g.node("Neg", {x});
  g.output(y);
  const Plan plan(g.graph);
  const Tensor input(DType::f32, {4});
  Binding binding(plan, std::span(&input, 1), kOptions);
  alignas(64) std::byte first[512];
  alignas(64) std::byte second[512];
  REQUIRE(binding.arena_bytes() <= sizeof first);
  for (std::byte* arena : {first, second}) {
    binding.attach(arena);
    for (ValueId id : {x, y}) {
      const auto* at = static_cast<const std::byte*>(binding.values()[static_cast<std::size_t>(id)].raw());
      CHECK(at >= arena);
      CHECK(at < arena + binding.arena_bytes());
    }
    const Execution& e = binding.steps()[0].execution;
    CHECK(e.inputs[0].raw() == binding.values()[static_cast<std::size_t>(x)].raw());
    CHECK(e.outputs[0].raw() == binding.values()[static_cast<std::size_t>(y)].raw());
  }
}

TEST_CASE("Large scratch of a worker shares no page with that of another") {
  SmallGraph g;
  const ValueId x = g.input("x", {1, 16384, 4});
  g.output(g.node("Conv", {x, g.input("w", {1, 16384, 1})}));  // whose scratch is as deep as its channels
  const Plan plan(g.graph);
  const Tensor inputs[] = {Tensor(DType::f32, {1, 16384, 4}), Tensor(DType::f32, {1, 16384, 1})};
  Binding binding(plan, inputs, {.threads = 3});
  const Tensor arena = Tensor::allocate_arena(binding.arena_bytes());
  binding.attach(static_cast<std::byte*>(const_cast<void*>(arena.raw())));
  const Execution& e = binding.steps()[0].execution;
  REQUIRE(e.worker_scratch.size() == 3);
  for (std::byte* scratch : e.worker_scratch) CHECK(reinterpret_cast<std::uintptr_t>(scratch) % kLargePage == 0);
  CHECK(e.worker_scratch[1] >= e.worker_scratch[0] + kLargePage);
  CHECK(e.worker_scratch[2] >= e.worker_scratch[1] + kLargePage);
}

TEST_CASE("More memory than allowed is refused before it is asked for") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1});
  const ValueId shape = g.ints({1 << 20, 1 << 10});
  SECTION("by one value") {
    g.output(g.node("Expand", {x, shape}));
    const Plan plan(g.graph);
    const Tensor input(DType::f32, {1});
    CHECK(message_of<Error>([&] { Binding(plan, std::span(&input, 1), {.max_bytes = 1 << 20}); }).find("MiB") !=
          std::string::npos);
  }
  SECTION("by what follows from constants, all together") {
    const ValueId piece = g.ints({1 << 17});
    for (int i = 0; i < 4; ++i) g.output(g.node("ConstantOfShape", {piece}));
    g.output(g.node("Neg", {x}));
    const Plan plan(g.graph);
    const Tensor input(DType::f32, {1});
    CHECK_NOTHROW(Binding(plan, std::span(&input, 1), {.max_bytes = 4 << 19}));
    CHECK_THROWS_AS(Binding(plan, std::span(&input, 1), {.max_bytes = 3 << 19}), Error);
  }
}

TEST_CASE("An output that the operator does not have is refused by the node's name") {
  SmallGraph g;
  const ValueId x = g.input("x", {2, 2});
  const auto out = g.nodes("MatMul", {x, x}, 2);
  g.output(out[1]);
  const Plan plan(g.graph);
  const Tensor input(DType::f32, {2, 2});
  const std::string message = message_of<Error>([&] { Binding(plan, std::span(&input, 1), kOptions); });
  CHECK(message.find("(MatMul)") != std::string::npos);
}

}  // namespace
}  // namespace sesame::engine
