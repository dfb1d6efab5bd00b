// Which way an If goes, where that is known before anything runs.
#pragma once

#include <optional>

#include "engine/graph.h"

namespace sesame::engine {

// The value of a bool of one element that is constant, or follows from shapes and is the same at all sizes that are
// tried, 1 among them; nothing for others. The graph may be one that is still being built.
std::optional<bool> known_condition(const Graph& graph, ValueId id);

}  // namespace sesame::engine
