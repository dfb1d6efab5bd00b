// [batch, length, heads * head_dim] seen as heads: what lies behind an operand of attention's products.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/graph.h"
#include "engine/normal_forms/matcher.h"
#include "engine/shape_probe.h"

namespace sesame::models {

// Why a pattern did not match: the node where it stopped.
struct Mismatch {
  engine::ValueId at = engine::kNoValue;  // the value whose producer was looked at
  std::string expected;
};

using Perm = std::array<std::size_t, 4>;
inline constexpr Perm kHeadsFirst = {0, 2, 1, 3};

// A Transpose's permutation of four axes.
std::optional<Perm> perm_of(const engine::Node& transpose);

// A float of one element, [] or [1], that is constant or comes out the same whatever the sizes.
std::optional<float> scalar_of(const engine::Matcher& m, const engine::ShapeProbe& probe, engine::ValueId id);

// Sees through Mul and Div by a scalar, collecting the factor.
engine::ValueId through_scale(const engine::Matcher& m, const engine::ShapeProbe& probe, engine::ValueId id,
                              double& scale);

struct SplitHeads {
  engine::ValueId dense = engine::kNoValue;
  Perm perm = {0, 1, 2, 3};  // axis i of the result is axis perm[i] of [batch, length, heads, head_dim]
  std::int64_t heads = 0;
  std::int64_t head_dim = 0;
};

// Sees through transposes, scales and reshapes, from [batch, heads, length, head_dim] or, with the first two axes in
// one, [batch * heads, length, head_dim], or either of them transposed, to the dense rows.
std::optional<SplitHeads> match_split_heads(const engine::Matcher& m, const engine::ShapeProbe& probe,
                                            engine::ValueId id, double& scale, Mismatch& why);

// The one reader of `id` when it is this operator, else null.
const engine::Node* only_reader(const engine::Matcher& m, engine::ValueId id, std::string_view op,
                                std::string_view domain = engine::kOnnx);

// From a context [batch, heads, length, head_dim] by Transpose and Reshape to its dense rows; kNoValue and why when
// they do not follow.
engine::ValueId match_merged_heads(const engine::Matcher& m, const engine::ShapeProbe& probe, engine::ValueId context,
                                   Mismatch& why);

// Whether a Reshape only merges the first two of four axes, or parts them again.
bool merges_heads(const engine::ProbedShape& four, const engine::ProbedShape& three);

}  // namespace sesame::models
