#include "engine/onnx_reader.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/mapped_file.h"
#include "engine/onnx_external.h"
#include "engine/onnx_graph_builder.h"
#include "engine/onnx_skeleton.h"
#include "engine/onnx_tensor.h"
#include "engine/printable.h"
#include "sesame/error.h"
#include "sesame_onnx.pb.h"

namespace sesame::engine {

namespace {

// The tensors of one model. Each is decoded once, however often inlined functions ask for it.
class ModelTensors {
 public:
  ModelTensors(std::shared_ptr<const MappedFile> file, ExternalSource& external, std::vector<Bytes> messages)
      : file_(std::move(file)), external_(external), messages_(std::move(messages)), decoded_(messages_.size()) {}

  const OnnxTensor& get(const sesame_onnx::TensorProto& placeholder) {
    const std::size_t i = tensor_index(placeholder);
    if (!decoded_[i]) decoded_[i] = decode_tensor(messages_[i], file_, external_);
    return *decoded_[i];
  }

 private:
  std::shared_ptr<const MappedFile> file_;
  ExternalSource& external_;
  std::vector<Bytes> messages_;
  std::vector<std::optional<OnnxTensor>> decoded_;
};

Graph build_graph(Bytes model, const std::shared_ptr<const MappedFile>& file, ExternalSource& external) {
  OnnxSkeleton skeleton = read_skeleton(model);
  ModelTensors tensors(file, external, std::move(skeleton.tensors));
  OnnxGraphBuilder builder(
      *skeleton.model, [&](const sesame_onnx::TensorProto& placeholder) { return tensors.get(placeholder).tensor; });
  for (const auto& placeholder : skeleton.model->graph().initializer()) {
    const OnnxTensor& initializer = tensors.get(placeholder);
    builder.add_initializer({initializer.name, initializer.tensor});
  }
  return builder.build();
}

// Runs fn; an Error gets the file's name in front.
template <class Fn>
auto named_errors(const std::filesystem::path& file, Fn&& fn) {
  try {
    return fn();
  } catch (const Error& error) {
    throw Error(printable(file.string()) + ": " + printable(error.what(), 2000));
  }
}

}  // namespace

Graph read_onnx(const std::filesystem::path& file) {
  const auto mapped = MappedFile::open(file);
  return named_errors(file, [&] {
    ExternalFiles external(file);
    return build_graph(mapped->bytes(), mapped, external);
  });
}

Graph read_onnx(Bytes model, const std::shared_ptr<const MappedFile>& file, ExternalSource& external) {
  return build_graph(model, file, external);
}

NamedTensor read_tensor_proto(const std::filesystem::path& file) {
  const auto mapped = MappedFile::open(file);
  return named_errors(file, [&] {
    ExternalFiles external(file);
    OnnxTensor read = decode_tensor(mapped->bytes(), mapped, external);
    return NamedTensor{printable(read.name), std::move(read.tensor)};
  });
}

}  // namespace sesame::engine
