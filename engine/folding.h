// What a graph can compute before it has seen an input.
#pragma once

#include "engine/graph.h"

namespace sesame::engine {

// Runs the nodes whose inputs are all constant and makes their outputs constants; takes out Identity, Dropout as
// inference means it, and casts to the type that is there already. Constants that only folded nodes read are given up
// on the way, so that a graph full of transposed weights is not held twice.
//
// Left alone: operators that are not supported (a later stage names them); QuantizeLinear and DequantizeLinear, so that
// a quantized graph keeps its int8 weights; nodes whose result is much larger than what it is made from, and whatever
// else would take long: a small file must not buy minutes of loading.
//
// Expects topological order and keeps it; the names of the graph's outputs stay. Throws Error that names the node when
// one turns out to be invalid.
enum class Folded {
  all_but_quantized,  // leaves QuantizeLinear and DequantizeLinear, as above
  all,                // these too: after what is quantized has found its form
};
void fold_constants(Graph& graph, Folded folded = Folded::all_but_quantized);

}  // namespace sesame::engine
