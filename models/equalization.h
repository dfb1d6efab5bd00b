// Which pairs of an encoder's Linears a factor a channel can be folded between without changing the function.
#pragma once

#include "engine/graph.h"

namespace sesame::models {

// In every encoder layer that is found in a graph of normal forms: values -> attn_out, with only the weighted sum of
// the attention between, and queries against keys, whose product a score is. See engine/quantizer/equalize.h. Layers
// where something else reads those values on the way stay as they are. Returns the number of layers changed.
int equalize_attention(engine::Graph& graph);

}  // namespace sesame::models
