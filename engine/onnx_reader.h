// ONNX file -> Graph.
//
// The file is mapped and the weights are views of the mapping; the rest is parsed by the schema subset in third_party.
// Model-local functions are inlined, Constant nodes become constants, external data is mapped from inside the model's
// folder only. Everything in the file is checked before it is believed.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/graph.h"

namespace sesame::engine {

// Throws Error: what was expected and found, the file's name first.
Graph read_onnx(const std::filesystem::path& file);

// A serialised TensorProto (`input_0.pb`), as ONNX's test data has them, and the name it carries.
struct NamedTensor {
  std::string name;
  Tensor tensor;
};
NamedTensor read_tensor_proto(const std::filesystem::path& file);

}  // namespace sesame::engine
