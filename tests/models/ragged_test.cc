#include "models/ragged.h"

#include <limits>
#include <memory>

#include "tests/catch.h"

namespace sesame::models {
namespace {

using engine::DType;
using engine::Tensor;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kMax = std::numeric_limits<float>::max();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Layout {
  Tensor memory;
  Tensor mask;
  const RaggedBatch* ragged;

  Layout(std::size_t batch, std::size_t length, Mask meaning, Tensor values, Queries queries)
      : memory(Tensor::allocate(DType::u8, {static_cast<std::int64_t>(RaggedBatch::bytes(batch, length))})),
        mask(std::move(values)),
        ragged(&RaggedBatch::lay_out(static_cast<std::byte*>(memory.raw()), batch, length, meaning, mask, queries)) {}

  std::vector<std::size_t> positions(std::size_t b) const {
    std::vector<std::size_t> found;
    for (std::size_t r = ragged->sequence(b).begin; r < ragged->sequence(b).end; ++r) {
      CHECK(ragged->sequence_of(r) == b);
      found.push_back(ragged->position(r));
    }
    return found;
  }
};

using Positions = std::vector<std::size_t>;

Tensor additive(std::int64_t batch, std::vector<float> values) {
  const auto length = static_cast<std::int64_t>(values.size()) / batch;
  return Tensor::of<float>({batch, 1, 1, length}, values);
}
Tensor bools(std::int64_t batch, std::vector<bool> values) {
  const auto length = static_cast<std::int64_t>(values.size()) / batch;
  return Tensor::of<bool>({batch, 1, 1, length}, values);
}
const Mask kAdditive{MaskKind::additive, 0};

TEST_CASE("Without a mask every position is a key") {
  const Layout l(2, 3, {}, {}, Queries::keys);
  CHECK(l.ragged->rows() == 6);
  CHECK(l.positions(1) == Positions{0, 1, 2});
  CHECK(l.ragged->sequence(1).keys == 3);
  CHECK(l.ragged->sequence(1).bias == nullptr);
  CHECK(l.ragged->sequence(1).first_row == 3);
}

TEST_CASE("Padding before, behind and between has no row") {
  for (float fill : {-10000.0f, -kMax, -kInf}) {
    const float x = fill;
    const Layout l(3, 4, kAdditive, additive(3, {0, 0, x, x, x, x, 0, 0, 0, x, 0, x}), Queries::keys);
    CHECK(l.positions(0) == Positions{0, 1});
    CHECK(l.positions(1) == Positions{2, 3});
    CHECK(l.positions(2) == Positions{0, 2});
    CHECK(l.ragged->rows() == 6);
    for (const Sequence& s : l.ragged->sequences()) {
      CHECK(s.bias == nullptr);
      CHECK_FALSE(s.flat);
    }
  }
}

TEST_CASE("Bool masks keep or drop") {
  const Layout keep(1, 3, {MaskKind::keep_if_true, -kInf}, bools(1, {true, false, true}), Queries::keys);
  CHECK(keep.positions(0) == Positions{0, 2});
  const Layout drop(1, 3, {MaskKind::drop_if_true, -kMax}, bools(1, {true, false, true}), Queries::keys);
  CHECK(drop.positions(0) == Positions{1});
}

TEST_CASE("Other positions come after the keys when somebody asks for them") {
  const Tensor mask = additive(1, {-10000, 0, -10000, 0});
  const Layout all(1, 4, kAdditive, mask, Queries::all);
  CHECK(all.positions(0) == Positions{1, 3, 0, 2});
  CHECK(all.ragged->sequence(0).keys == 2);
  CHECK(all.ragged->sequence(0).first_row == 2);
  const Layout first(1, 4, kAdditive, mask, Queries::first);
  CHECK(first.positions(0) == Positions{1, 3, 0});
  CHECK(first.ragged->sequence(0).first_row == 2);
  const Layout kept(1, 4, kAdditive, additive(1, {0, 0, -10000, 0}), Queries::first);
  CHECK(kept.positions(0) == Positions{0, 1, 3});
  CHECK(kept.ragged->sequence(0).first_row == 0);
}

TEST_CASE("One mask for all sequences, of [length] or with ones before") {
  for (const engine::Shape& shape : {engine::Shape{3}, engine::Shape{1, 1, 1, 3}}) {
    const Layout l(2, 3, kAdditive, Tensor::of<float>(shape, {0, -10000, 0}), Queries::keys);
    CHECK(l.positions(0) == Positions{0, 2});
    CHECK(l.positions(1) == Positions{0, 2});
  }
}

TEST_CASE("Where everything is masked, everything is kept, as a softmax of equal numbers does") {
  const Layout small(1, 2, kAdditive, additive(1, {-10000, -10000}), Queries::keys);
  REQUIRE(small.ragged->sequence(0).bias != nullptr);  // scores still count, in what -10000 leaves of them
  CHECK(small.ragged->sequence(0).bias[1] == -10000);
  CHECK_FALSE(small.ragged->sequence(0).flat);
  const Layout large(1, 2, kAdditive, additive(1, {-kMax, -kMax}), Queries::keys);
  CHECK(large.ragged->sequence(0).keys == 2);
  CHECK(large.ragged->sequence(0).flat);
  const Layout replaced(1, 2, {MaskKind::drop_if_true, -10000}, bools(1, {true, true}), Queries::keys);
  CHECK(replaced.ragged->sequence(0).keys == 2);
  CHECK(replaced.ragged->sequence(0).flat);
}

TEST_CASE("Where the graph's softmax gives NaN, the bias stays and gives it too") {
  for (const Tensor& mask : {additive(1, {-kInf, -kInf}), additive(1, {kNan, kNan}), additive(1, {0, kNan}),
                             additive(1, {-kMax, kNan}), additive(1, {kInf, kInf})}) {
    const Layout l(1, 2, kAdditive, mask, Queries::keys);
    CHECK(l.ragged->sequence(0).keys == 2);
    CHECK_FALSE(l.ragged->sequence(0).flat);
    REQUIRE(l.ragged->sequence(0).bias != nullptr);
  }
  const Layout l(1, 2, {MaskKind::drop_if_true, -kInf}, bools(1, {true, true}), Queries::keys);
  CHECK_FALSE(l.ragged->sequence(0).flat);
  REQUIRE(l.ragged->sequence(0).bias != nullptr);
  CHECK(l.ragged->sequence(0).bias[0] == -kInf);
}

TEST_CASE("Small biases are added, moved to their keys") {
  const Layout l(2, 4, kAdditive, additive(2, {0, 0, 0, 0, -5000, -1, 0, -2}), Queries::all);
  CHECK(l.ragged->sequence(0).bias == nullptr);
  const Sequence& s = l.ragged->sequence(1);
  CHECK(l.positions(1) == Positions{1, 2, 3, 0});
  REQUIRE(s.bias != nullptr);
  CHECK(s.keys == 3);
  CHECK(s.bias[0] == -1);
  CHECK(s.bias[1] == 0);
  CHECK(s.bias[2] == -2);
}

TEST_CASE("No sequences and no positions have no rows") {
  CHECK(Layout(0, 5, {}, {}, Queries::all).ragged->rows() == 0);
  const Layout l(3, 0, {}, {}, Queries::all);
  CHECK(l.ragged->rows() == 0);
  CHECK(l.ragged->sequences().size() == 3);
}

}  // namespace
}  // namespace sesame::models
