// A packed model: everything that answering needs, in one file (engine/container.h) that is mapped and shared.
//
// Sections: "metadata.json", "files/NAME" for config.json and what the tokenizer reads, and the graph in normal forms
// with its packed Linears (engine/packed_graph.h). Loading recognises the graph anew, which takes milliseconds.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "engine/graph.h"
#include "models/loading.h"
#include "models/model.h"

namespace sesame::models {

// What the metadata says beside the model's own description.
struct PackedAs {
  Precision precision = Precision::fp32;
  AttentionPrecision attention = AttentionPrecision::fp32;
  std::string quantization = {};  // JSON: how it was quantized; empty: nothing
};

// Packs the Linears of the source's graph by the schemes on its nodes and writes the file beside `to`, then in its
// place. The same source and schemes give the same bytes. Throws Error: a weight that is not finite, whatever keeps the
// file from being written.
void write_packed_model(const SourceModel& source, engine::Graph graph, const PackedAs& as,
                        const std::filesystem::path& to);

// Throws Error, the file's name first, when it is damaged, or when another precision is asked for than it holds.
std::shared_ptr<const LoadedModel> load_packed_model(const std::filesystem::path& path, const ModelOptions& options);

}  // namespace sesame::models
