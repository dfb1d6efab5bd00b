// Reads models that tests put together, and says what the reader says of them.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "engine/onnx_reader.h"
#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/engine/onnx_models.h"
#include "tests/files.h"

namespace sesame::engine {

inline Graph read(const TemporaryFolder& folder, const onnx::ModelProto& model) {
  return read_onnx(folder.write("model.onnx", model.SerializeAsString()));
}

// What read_onnx says of the model, after the file's name.
inline std::string refusal(const TemporaryFolder& folder, const std::string& bytes) {
  const auto file = folder.write("model.onnx", bytes);
  const std::string message = message_of<Error>([&] { read_onnx(file); });
  const std::string prefix = file.string() + ": ";
  REQUIRE(message.substr(0, prefix.size()) == prefix);
  CHECK(std::none_of(message.begin(), message.end(), [](char c) { return c >= 0 && c < 0x20; }));
  return message.substr(prefix.size());
}
inline std::string refusal(const onnx::ModelProto& model) {
  const TemporaryFolder folder;
  return refusal(folder, model.SerializeAsString());
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

inline std::vector<std::string> ops(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes) names.push_back(node.op);
  return names;
}

inline std::vector<std::string> names(const Graph& graph, const std::vector<ValueId>& ids) {
  std::vector<std::string> all;
  for (ValueId id : ids) all.push_back(id == kNoValue ? "-" : graph.value(id).name);
  return all;
}

template <class T>
std::vector<T> values(const Tensor& tensor) {
  const auto span = tensor.span<T>();
  return {span.begin(), span.end()};
}

}  // namespace sesame::engine
