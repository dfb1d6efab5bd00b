#include "engine/normal_forms/normal_forms.h"

#include "engine/shape_probe.h"
#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/files.h"
#include "tests/support/small_graph.h"

namespace sesame::engine {
namespace {

using test::count;
using test::equal_bits;
using test::random_floats;
using test::run;
using test::SmallGraph;

TEST_CASE("Nodes that compute the same become one, layer after layer") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1, 4});
  const ValueId a = g.node("Neg", {g.node("Abs", {x})});
  const ValueId b = g.node("Neg", {g.node("Abs", {x})});
  g.output(g.node("Add", {a, b}));
  merge_common_nodes(g.graph);
  CHECK(g.graph.nodes.size() == 3);
}

TEST_CASE("Nodes that read equal small constants are one") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1, 4});
  const auto plus = [&](float number) { return g.node("Add", {x, g.constant(Tensor::scalar(number))}); };
  const ValueId one = plus(1), again = plus(1), two = plus(2);
  g.output(g.node("Mul", {g.node("Mul", {one, again}), two}));
  merge_common_nodes(g.graph);
  CHECK(count(g.graph, "Add") == 2);
}

TEST_CASE("Small constants that are equal are one, large ones and those of another shape are not") {
  for (const std::int64_t size : {1, 16, 17}) {
    SmallGraph g;
    const ValueId x = g.input("x", {-1, size});
    const ValueId a = g.node("Mul", {x, g.constant(random_floats({size}, 1))});
    const ValueId b = g.node("Mul", {x, g.constant(random_floats({size}, 1))});
    const ValueId c = g.node("Mul", {x, g.constant(random_floats({1, size}, 1))});
    g.output(g.node("Add", {g.node("Add", {a, b}), c}));
    merge_common_nodes(g.graph);
    CHECK(count(g.graph, "Mul") == (size <= 16 ? 2 : 3));
  }
}

TEST_CASE("Nodes that differ in an attribute, an input or an output's name stay apart") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1, 4});
  const ValueId a = g.node("Softmax", {x}, {{"axis", std::int64_t{0}}});
  const ValueId b = g.node("Softmax", {x}, {{"axis", std::int64_t{1}}});
  const ValueId c = g.node("Neg", {x});
  const ValueId d = g.node("Neg", {x});
  g.output(g.node("Add", {a, b}));
  g.output(c);
  g.output(d);
  merge_common_nodes(g.graph);
  CHECK(count(g.graph, "Softmax") == 2);
  CHECK(count(g.graph, "Neg") == 2);
  CHECK(g.graph.outputs[1] != g.graph.outputs[2]);
}

TEST_CASE("Random numbers are not the same twice") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1, 4});
  g.output(g.node("Add", {g.node("RandomNormalLike", {x}), g.node("RandomNormalLike", {x})}));
  merge_common_nodes(g.graph);
  CHECK(count(g.graph, "RandomNormalLike") == 2);
}

TEST_CASE("The shape of a value inside is taken from an input") {
  SmallGraph g;
  const ValueId ids = g.input("ids", {-1, -1}, DType::i64);
  const ValueId h = g.node("Gather", {g.constant(random_floats({10, 6}, 1)), ids}, {{"axis", std::int64_t{0}}});
  const ValueId shape = g.node("Shape", {h});
  g.output(shape);
  g.output(g.node("Reshape", {g.node("Neg", {h}), shape}));
  const Tensor input = Tensor::of<std::int64_t>({2, 3}, {1, 2, 3, 4, 5, 6});
  const auto want = run(g.graph, {input});
  anchor_shapes(g.graph);
  CHECK(ShapeProbe(g.graph).follows_from_shapes(shape));
  for (const Node& node : g.graph.nodes) {
    if (node.is("Shape")) CHECK(node.inputs[0] == ids);
  }
  const auto got = run(g.graph, {input});
  for (std::size_t i = 0; i < want.size(); ++i) CHECK(equal_bits(got[i], want[i]));
}

TEST_CASE("A dimension that is an input's several times is taken from it") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1, -1});
  const ValueId twice = g.node("Concat", {x, x}, {{"axis", std::int64_t{0}}});
  g.output(g.node("Shape", {twice}));
  anchor_shapes(g.graph);
  for (const Node& node : g.graph.nodes) {
    if (node.is("Shape")) CHECK(node.inputs[0] == x);
  }
  CHECK(to_int64s(run(g.graph, {random_floats({3, 5}, 1)})[0]) == std::vector<std::int64_t>{6, 5});
}

TEST_CASE("A shape that no input has stays where it is") {
  SmallGraph g;
  const ValueId x = g.input("x", {-1, -1});
  const ValueId shorter = g.node("Slice", {x, g.ints({1}), g.ints({100}), g.ints({1})});
  g.output(g.node("Shape", {shorter}));
  anchor_shapes(g.graph);
  CHECK(g.graph.nodes.back().inputs[0] == shorter);
}

TEST_CASE("A dimension that is the product of two of an input's is taken from them, and part of a shape alone") {
  SmallGraph g(15);
  const ValueId x = g.input("x", {-1, -1, -1});
  g.output(g.node("Shape", {g.node("Flatten", {x}, {{"axis", std::int64_t{2}}})}));
  g.output(g.node("Shape", {g.node("Transpose", {x}, {{"perm", std::vector<std::int64_t>{2, 0, 1}}})},
                  {{"start", std::int64_t{1}}, {"end", std::int64_t{-1}}}));
  anchor_shapes(g.graph);
  remove_dead_nodes(g.graph);
  CHECK(count(g.graph, "Flatten") == 0);
  CHECK(count(g.graph, "Transpose") == 0);
  const auto got = run(g.graph, {random_floats({3, 5, 4}, 1)});
  CHECK(to_int64s(got[0]) == std::vector<std::int64_t>{15, 4});
  CHECK(to_int64s(got[1]) == std::vector<std::int64_t>{3});
}

TEST_CASE("Nodes without inputs are refused by name, or pass through to the plan that does") {
  for (const char* op : {"Add", "Mul", "Div", "MatMul", "Gemm", "Shape", "LayerNormalization", "Erf", "Softmax"}) {
    SmallGraph g;
    g.input("x", {-1});
    g.output(g.node(op, {}));
    const std::string message = message_of<Error>([&] {
      to_normal_forms(g.graph);
      const Plan plan(g.graph);
    });
    CHECK(message.find(std::string("(") + op + ")") != std::string::npos);
  }
}

}  // namespace
}  // namespace sesame::engine
