// Graph -> ONNX file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "engine/graph.h"

namespace sesame::engine {

struct OnnxWriteOptions {
  // Above so many bytes of constants those of a kilobyte and more go to `<file>.data`, since no protobuf message may
  // reach 2 GB.
  std::uint64_t external_above = 1'900'000'000;
};

// Writes `graph` as an ONNX model: initializers as raw data, declared types and shapes of inputs and outputs, the
// graph's opsets and producer. Constants that nobody reads are left out; values that share a name, or have none, get
// one of their own. The same graph gives the same bytes.
// Writes beside and renames, so an interrupted run, or a full disk, leaves an old file whole (of two files, each by
// itself). Throws Error: a node that ONNX cannot express (our own domain, a step that a pass made, a subgraph), a node
// whose version is not the one that the graph imports, whatever keeps the file from being written.
void write_onnx(const Graph& graph, const std::filesystem::path& file, const OnnxWriteOptions& options = {});

// The same as bytes, for who keeps the constants elsewhere: each initializer names the location that `place` gives its
// tensor, and nodes of our own domain are written as they are. Read back by read_onnx with an ExternalSource.
using PlaceTensor = std::function<std::string(const Tensor&)>;
std::string onnx_bytes(const Graph& graph, const PlaceTensor& place);

void write_tensor_proto(const std::string& name, const Tensor& tensor, const std::filesystem::path& file);

}  // namespace sesame::engine
