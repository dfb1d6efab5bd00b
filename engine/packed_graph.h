// A graph in a container: its nodes as a small ONNX model, its constants as sections that are used where they lie.
#pragma once

#include <memory>

#include "engine/container.h"
#include "engine/graph.h"

namespace sesame::engine {

// Adds the sections "graph.onnx" and "tensors/0", "tensors/1", .. of all constants that somebody reads, in the order of
// their numbers; equal ones once. The graph must live until the container is written.
void add_graph(const Graph& graph, ContainerWriter& writer);

// The graph of a container; its constants are views of the mapping. Everything is checked as in any ONNX file. Throws
// Error without the file's name.
Graph read_graph(const Container& container);

}  // namespace sesame::engine
