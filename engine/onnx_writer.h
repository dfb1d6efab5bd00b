// Graph -> ONNX file.
#pragma once

#include <filesystem>

#include "engine/graph.h"

namespace sesame::engine {

// Writes `graph` as an ONNX model: initializers as raw data, declared types and shapes of inputs and outputs, the
// graph's opsets and producer. Writes beside and renames, so an interrupted run leaves an old file whole. Models beyond
// protobuf's 2 GB are written with external data in `<file>.data`. The same graph gives the same bytes. Throws Error.
void write_onnx(const Graph& graph, const std::filesystem::path& file);

void write_tensor_proto(const std::string& name, const Tensor& tensor, const std::filesystem::path& file);

}  // namespace sesame::engine
