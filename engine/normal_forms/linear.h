// One node as the normal form of a product by a constant matrix.
#pragma once

#include <optional>

#include "engine/graph.h"
#include "engine/normal_forms/matcher.h"

namespace sesame::engine {

// The sesame.Linear that computes what a MatMul or Gemm by a constant float matrix does, with its output; nothing for
// other nodes.
std::optional<Node> as_linear(const Matcher& m, const Node& node);

}  // namespace sesame::engine
