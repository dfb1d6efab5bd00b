// A parsed AttributeProto -> Attribute.
#pragma once

#include <cstddef>
#include <functional>

#include "engine/graph.h"

namespace sesame_onnx {
class AttributeProto;
class TensorProto;
}  // namespace sesame_onnx

namespace sesame::engine {

// Gives the tensor that a placeholder stands for (onnx_skeleton.h).
using TensorSource = std::function<Tensor(const sesame_onnx::TensorProto&)>;

// What no operator here takes (subgraphs, sparse tensors, lists of tensors, type descriptions) becomes a Subgraph mark.
// Throws Error that names the attribute when its type is unknown or its value missing.
Attribute make_attribute(const sesame_onnx::AttributeProto& proto, const TensorSource& tensors);

// Bytes that a copy of the attribute takes, tensors aside, which share their memory.
std::size_t copied_bytes(const Attribute& attribute);

}  // namespace sesame::engine
