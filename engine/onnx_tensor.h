// A serialised TensorProto -> Tensor.
#pragma once

#include <memory>
#include <string>

#include "engine/mapped_file.h"
#include "engine/onnx_external.h"
#include "engine/tensor.h"

namespace sesame::engine {

struct OnnxTensor {
  std::string name;  // as in the file
  Tensor tensor;
};

// `message` is part of `file`. Raw data, of the file or of an external one, becomes a view where its address is a
// multiple of the element's size. Elsewhere it is copied, since reading through a misaligned pointer is undefined;
// protobuf packs tensors at any address, so most float weights inside an .onnx file are copied, and the pages they came
// from released. Typed data (float_data, int32_data, ...) is decoded, bfloat16 widened to float32. Throws Error that
// names the tensor: an element type we do not support, dimensions and data that do not fit together, external data that
// is not there or not to be read.
OnnxTensor decode_tensor(Bytes message, const std::shared_ptr<const MappedFile>& file, ExternalSource& external);

}  // namespace sesame::engine
