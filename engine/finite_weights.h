// Weights that are numbers.
#pragma once

#include <span>
#include <string_view>

#include "engine/graph.h"

namespace sesame::engine {

// Throws Error that names the weight, the element and what was found for NaN or infinity.
void require_finite(std::string_view name, std::span<const float> values);

// The same of all float constants, whoever reads them: what is quantized, and what stays beside it. Masks are none of
// them: 0 and infinity alone, or a single number.
void require_finite_weights(const Graph& graph);

}  // namespace sesame::engine
