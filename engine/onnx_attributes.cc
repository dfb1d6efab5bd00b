#include "engine/onnx_attributes.h"

#include <string>
#include <vector>

#include "engine/printable.h"
#include "sesame/error.h"
#include "sesame_onnx.pb.h"

namespace sesame::engine {

namespace {

// AttributeProto.AttributeType.
enum Type {
  kUndefined,
  kFloat,
  kInt,
  kString,
  kTensor,
  kGraph,
  kFloats,
  kInts,
  kStrings,
  kTensors,
  kGraphs,
  kSparseTensor,
  kSparseTensors,
  kTypeProto,
  kTypeProtos,
};

// The first exporters left the type out: what is there tells.
int type_of(const sesame_onnx::AttributeProto& proto) {
  if (proto.type() != kUndefined) return proto.type();
  if (proto.has_f()) return kFloat;
  if (proto.has_i()) return kInt;
  if (proto.has_s()) return kString;
  if (proto.has_t()) return kTensor;
  if (proto.has_g()) return kGraph;
  if (proto.floats_size() > 0) return kFloats;
  if (proto.ints_size() > 0) return kInts;
  if (proto.strings_size() > 0) return kStrings;
  return kUndefined;
}

}  // namespace

Attribute make_attribute(const sesame_onnx::AttributeProto& proto, const TensorSource& tensors) {
  const std::string label = "attribute '" + printable(proto.name()) + "'";
  switch (const int type = type_of(proto)) {
    case kFloat:
      return proto.f();
    case kInt:
      return static_cast<std::int64_t>(proto.i());
    case kString:
      return proto.s();
    case kTensor:
      if (!proto.has_t()) throw Error(label + " is to be a tensor and has none");
      return tensors(proto.t());
    case kFloats:
      return std::vector<float>(proto.floats().begin(), proto.floats().end());
    case kInts:
      return std::vector<std::int64_t>(proto.ints().begin(), proto.ints().end());
    case kStrings:
      return std::vector<std::string>(proto.strings().begin(), proto.strings().end());
    case kGraph:
    case kTensors:
    case kGraphs:
    case kSparseTensor:
    case kSparseTensors:
    case kTypeProto:
    case kTypeProtos:
      return Subgraph{};
    case kUndefined:
      throw Error(label + " has no value");
    default:
      throw Error(label + " has the unknown type " + std::to_string(type));
  }
}

std::size_t copied_bytes(const Attribute& attribute) {
  constexpr std::size_t kEach = 64;
  if (const auto* text = std::get_if<std::string>(&attribute)) return kEach + text->size();
  if (const auto* reals = std::get_if<std::vector<float>>(&attribute)) return kEach + reals->size() * sizeof(float);
  if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&attribute)) {
    return kEach + integers->size() * sizeof(std::int64_t);
  }
  std::size_t bytes = kEach;
  if (const auto* texts = std::get_if<std::vector<std::string>>(&attribute)) {
    for (const std::string& text : *texts) bytes += kEach + text.size();
  }
  return bytes;
}

}  // namespace sesame::engine
