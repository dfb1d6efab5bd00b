// Embedding tables in int8: one symmetric scale a row, made floats again as a row is looked up (engine/row_table.h).
#pragma once

#include <string>
#include <vector>

#include "engine/graph.h"

namespace sesame::engine {

// A node that looked its rows up in floats before.
struct QuantizedTable {
  std::size_t node = 0;  // of the graph
  Node floats;           // as it was
};

// Makes the lookups of a graph of normal forms that begin an encoder sesame.GatherBytes: Gathers of the rows of a
// constant matrix whose results are added up, normalised or multiplied by a Linear. Those of a head, and tables of
// relative positions, stay as they are. Throws Error that names the node for a table with a number that is not finite.
std::vector<QuantizedTable> quantize_embeddings(Graph& graph);

// Takes one back: it looks up floats again.
void restore_floats(Graph& graph, const QuantizedTable& table);

// The lookup's node by name, for people.
std::string describe(const Graph& graph, const QuantizedTable& table);

}  // namespace sesame::engine
