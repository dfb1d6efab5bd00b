#include "engine/steps/linear_step.h"

#include <cmath>
#include <cstring>

#include "engine/normal_forms/normal_forms.h"
#include "engine/quantize_linears.h"
#include "kernels/isa.h"
#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/files.h"
#include "tests/support/small_graph.h"

namespace sesame::engine {
namespace {

using test::equal_bits;
using test::random_floats;
using test::run;
using test::SmallGraph;

SmallGraph linear_graph(LinearPrecision precision) {
  SmallGraph g;
  const ValueId x = g.input("x", {-1, -1, 37});
  const ValueId w = g.constant(random_floats({37, 50}, 1));
  const ValueId b = g.constant(random_floats({50}, 2));
  g.output(g.node("Linear", {x, w, b}, {}, std::string(kSesame)));
  g.graph.nodes.back().attributes.set("precision", std::string(name(precision)));
  pack_linears(g.graph);
  return g;
}

TEST_CASE("Rows in any number, on any threads and at any level, have the same bits") {
  for (LinearPrecision precision : {LinearPrecision::fp32, LinearPrecision::bf16, LinearPrecision::int8}) {
    const Plan plan(linear_graph(precision).graph);
    const Tensor x = random_floats({3, 67, 37}, 3);
    Tensor want = run(plan, {x}, {.isa = kernels::Isa::scalar})[0];
    CHECK(want.shape() == Shape{3, 67, 50});
    for (kernels::Isa isa : kernels::runnable_isas()) {
      // AMX adds bf16 in an order of its own.
      if (precision == LinearPrecision::bf16 && isa >= kernels::Isa::amx) want = run(plan, {x}, {.isa = isa})[0];
      for (int threads : {1, 2, 3}) {
        CHECK(equal_bits(run(plan, {x}, {.isa = isa, .threads = threads})[0], want));
      }
    }
    want = run(plan, {x})[0];
    const Tensor last = Tensor::view(DType::f32, {1, 1, 37}, x.data<float>() + 200 * 37);
    const Tensor alone = run(plan, {last})[0];
    CHECK(std::memcmp(alone.raw(), want.data<float>() + 200 * 50, 50 * sizeof(float)) == 0);
    CHECK(run(plan, {Tensor::allocate(DType::f32, {0, 5, 37})})[0].shape() == Shape{0, 5, 50});
  }
}

TEST_CASE("int8 and bf16 rows are near the float ones, and not the same") {
  const Tensor x = random_floats({1, 4, 37}, 3);
  const Tensor a = run(linear_graph(LinearPrecision::fp32).graph, {x})[0];
  for (const auto& [precision, step] :
       {std::pair{LinearPrecision::int8, 1.1 / 127}, std::pair{LinearPrecision::bf16, 1.1 / 256}}) {
    const Tensor b = run(linear_graph(precision).graph, {x})[0];
    double worst = 0;
    for (std::int64_t i = 0; i < a.size(); ++i) {
      worst = std::max<double>(worst, std::fabs(a.data<float>()[i] - b.data<float>()[i]));
    }
    CHECK(worst > 0);
    CHECK(worst <= 37 * step);
  }
}

TEST_CASE("Rows that do not fit are refused") {
  SmallGraph g = linear_graph(LinearPrecision::fp32);
  g.graph.value(g.graph.inputs[0]).declared_shape.reset();
  g.graph.value(g.graph.inputs[0]).declared_type.reset();
  const Plan plan(g.graph);
  const auto message = [&](const Tensor& x) { return message_of<Error>([&] { run(plan, {x}); }); };
  CHECK(message(random_floats({2, 36}, 1)).find("[2, 36]") != std::string::npos);
  CHECK(message(Tensor::scalar(1.0f)).find("inner dimensions") != std::string::npos);
  CHECK(message(Tensor::allocate(DType::i64, {2, 37})).find("int64") != std::string::npos);
}

TEST_CASE("Packing gives up the raw weights") {
  const SmallGraph g = linear_graph(LinearPrecision::fp32);
  CHECK(g.graph.nodes[0].inputs.size() == 1);
  CHECK(g.graph.nodes[0].step->weight_bytes() >= 37 * 50 * sizeof(float));
  CHECK(g.graph.nodes[0].step->multiply_adds_per_row() == 37 * 50);
}

}  // namespace
}  // namespace sesame::engine
