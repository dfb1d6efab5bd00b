// ONNX file -> Graph.
//
// The file is mapped and the weights are views of the mapping; the rest is parsed by the schema subset in third_party.
// Model-local functions are inlined, Constant nodes become constants, external data is mapped from inside the model's
// folder only. Everything in the file is checked before it is believed.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/graph.h"
#include "engine/mapped_file.h"
#include "engine/onnx_external.h"

namespace sesame::engine {

// Throws Error: what was expected and found, the file's name first.
Graph read_onnx(const std::filesystem::path& file);

// A model in memory, part of `file`, whose initializers lie where `external` says. Errors do not name the file.
Graph read_onnx(Bytes model, const std::shared_ptr<const MappedFile>& file, ExternalSource& external);

// A serialised TensorProto (`input_0.pb`), as ONNX's test data has them, and the name it carries.
struct NamedTensor {
  std::string name;
  Tensor tensor;
};
NamedTensor read_tensor_proto(const std::filesystem::path& file);

}  // namespace sesame::engine
