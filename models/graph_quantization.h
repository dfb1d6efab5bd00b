// What a graph says of its own quantization, for people.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/graph.h"

namespace sesame::models {

// What there is to say where scales are found while running, and per tensor.
inline constexpr const char* kDependsOnBatch =
    "dynamic scales per tensor: answers depend on what else is in the batch, padding included";

// One line a layer, and one for what lies before or behind the layers, of a graph in normal forms whose
// QuantizedLinears are not packed yet: "layer 0: IntegerOps, 6 linears: uint8 per tensor (dynamic) x int8 per channel".
// `operators` are the file's own, by name (SourceGraph). Empty for a graph without quantized linears. Where scales are
// found while running, and per tensor, a last line says that answers depend on the batch.
std::vector<std::string> describe_quantization(const engine::Graph& graph, const std::map<std::string, int>& operators);

}  // namespace sesame::models
