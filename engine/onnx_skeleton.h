// A model file taken apart: its tensors as views of the mapped bytes, everything else parsed by protobuf.
//
// Protobuf copies every field of bytes, so the file is not handed to it. A walk over the wire format rewrites the model
// without its tensors (and without documentation and training data), which is small whatever
// the size of the file, also beyond protobuf's 2 GB. In place of each tensor stands its index in `tensors`.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "engine/mapped_file.h"

namespace sesame_onnx {
class ModelProto;
class TensorProto;
}  // namespace sesame_onnx

namespace sesame::engine {

struct OnnxSkeleton {
  std::unique_ptr<sesame_onnx::ModelProto> model;
  std::vector<Bytes> tensors;  // serialised TensorProtos

  OnnxSkeleton();
  ~OnnxSkeleton();
  OnnxSkeleton(OnnxSkeleton&&) noexcept;
};

// Throws Error that says what the bytes are instead of a model: truncated, a zip archive, a git-lfs pointer, ...
OnnxSkeleton read_skeleton(Bytes file);

// The index that stands in place of a tensor.
std::size_t tensor_index(const sesame_onnx::TensorProto& placeholder);

}  // namespace sesame::engine
