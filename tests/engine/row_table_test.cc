#include "engine/row_table.h"

#include <limits>

#include "tests/catch.h"
#include "tests/support/small_graph.h"

namespace sesame::engine {
namespace {

RowTable table_of(const Shape& shape, const std::vector<float>& values) {
  return to_bytes(Tensor::of<float>(shape, values));
}

std::vector<float> row_of(const RowTable& table, std::size_t r) {
  std::vector<float> room(static_cast<std::size_t>(table.width()));
  const float* row = table.row(kernels::table(kernels::default_isa()), r, room.data());
  return {row, row + room.size()};
}

TEST_CASE("A row of bytes is symmetric, with a scale of its own") {
  // Worked out by hand: 127 / 254 = 0.5, and halves go to the even neighbour.
  const RowTable table = table_of({3, 5}, {254, -254, 1, 3, -5, 0, 0, 0, 0, 0, 12.7f, 0.1f, 0.24f, -0.26f, 0});
  CHECK(table.is_bytes());
  const auto* q = table.rows.data<std::int8_t>();
  CHECK(std::vector<int>(q, q + 5) == std::vector<int>{127, -127, 0, 2, -2});
  CHECK(table.scale.data<float>()[0] == 2);
  CHECK(row_of(table, 0) == std::vector<float>{254, -254, 0, 4, -4});
  CHECK(row_of(table, 1) == std::vector<float>(5, 0.0f));
  CHECK(std::vector<int>(q + 10, q + 15) == std::vector<int>{127, 1, 2, -3, 0});
  CHECK(table.bytes() == 3 * 5 + 3 * 4);
}

TEST_CASE("Every level makes the same floats of a row of bytes") {
  const RowTable table = to_bytes(test::random_floats({4, 77}, 3));
  for (std::size_t r = 0; r < 4; ++r) {
    const std::vector<float> want = row_of(table, r);
    for (const kernels::Isa isa : kernels::runnable_isas()) {
      std::vector<float> got(77);
      table.row(kernels::table(isa), r, got.data());
      CHECK(got == want);
    }
  }
}

TEST_CASE("A row with a number that is not finite is named") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  CHECK_THROWS_WITH(table_of({2, 2}, {1, 2, 3, nan}), "row 1 has a number that is not finite");
  CHECK_THROWS_WITH(table_of({2, 2}, {1, -infinity, 3, 4}), "row 0 has a number that is not finite");
}

test::SmallGraph lookup_graph(const Tensor& rows, const Tensor& scale) {
  test::SmallGraph g;
  const ValueId ids = g.input("ids", {2, -1}, DType::i64);
  g.graph.outputs = {g.node("GatherBytes", {g.constant(rows), g.constant(scale), ids}, {}, "sesame")};
  g.graph.nodes[0].version = 1;
  return g;
}

TEST_CASE("The operator looks rows up by ids, negative ones from the end, and checks them") {
  const RowTable table = table_of({3, 2}, {127, -254, 12.7f, 0, 1, 1});
  const test::SmallGraph g = lookup_graph(table.rows, table.scale);
  const Tensor ids = Tensor::of<std::int64_t>({2, 2}, {0, -3, 1, 2});
  const auto y = test::run(g.graph, {ids});
  CHECK(y[0].shape() == Shape{2, 2, 2});
  std::vector<float> want;
  for (const std::size_t r : {0, 0, 1, 2}) {
    for (const float each : row_of(table, r)) want.push_back(each);
  }
  CHECK(std::vector<float>(y[0].data<float>(), y[0].data<float>() + 8) == want);
  CHECK_THROWS_WITH(test::run(g.graph, {Tensor::of<std::int64_t>({2, 1}, {3, 0})}), Catch::Contains("out of range"));
}

TEST_CASE("A file's table that is none is no table, and refused") {
  const RowTable good = table_of({3, 2}, {1, 2, 3, 4, 5, 6});
  const Tensor floats = Tensor::of<float>({3, 2}, {1, 2, 3, 4, 5, 6});
  const struct {
    Tensor rows, scale;
    const char* why;
  } cases[] = {{floats, good.scale, "rows: expected a constant matrix of int8"},
               {good.scale, good.scale, "rows: expected a constant matrix of int8"},
               {good.rows, floats, "scale: expected a constant float for each of 3 rows"},
               {good.rows, Tensor::of<float>({2}, {1, 1}), "scale: expected a constant float for each of 3 rows"}};
  for (const auto& c : cases) {
    const test::SmallGraph g = lookup_graph(c.rows, c.scale);
    CHECK_FALSE(row_lookup(g.graph, g.graph.nodes[0]));
    CHECK_THROWS_WITH(make_step(g.graph, g.graph.nodes[0]), c.why);
  }
  const test::SmallGraph g = lookup_graph(good.rows, good.scale);
  CHECK(row_lookup(g.graph, g.graph.nodes[0]));
}

}  // namespace
}  // namespace sesame::engine
