// Small ONNX models, put together by hand.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "engine/onnx_wire.h"
#include "sesame_onnx.pb.h"

namespace sesame::engine {

namespace onnx = sesame_onnx;

inline std::string raw_floats(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

inline onnx::TensorProto float_tensor(const std::string& name, const std::vector<std::int64_t>& dims,
                                      const std::vector<float>& values) {
  onnx::TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(1);
  for (std::int64_t d : dims) tensor.add_dims(d);
  tensor.set_raw_data(raw_floats(values));
  return tensor;
}

inline onnx::NodeProto node(const std::string& op, const std::vector<std::string>& inputs,
                            const std::vector<std::string>& outputs, const std::string& domain = "") {
  onnx::NodeProto proto;
  proto.set_op_type(op);
  for (const auto& input : inputs) proto.add_input(input);
  for (const auto& output : outputs) proto.add_output(output);
  proto.set_name(op + "_" + (outputs.empty() ? "" : outputs[0]));
  if (!domain.empty()) proto.set_domain(domain);
  return proto;
}

inline onnx::AttributeProto attribute(const std::string& name, std::int64_t value) {
  onnx::AttributeProto proto;
  proto.set_name(name);
  proto.set_i(value);
  proto.set_type(2);
  return proto;
}

inline onnx::AttributeProto reference(const std::string& name, const std::string& to) {
  onnx::AttributeProto proto;
  proto.set_name(name);
  proto.set_ref_attr_name(to);
  proto.set_type(2);
  return proto;
}

inline onnx::ValueInfoProto tensor_info(const std::string& name, std::int32_t type,
                                        const std::vector<std::string>& dims) {
  onnx::ValueInfoProto info;
  info.set_name(name);
  auto& tensor = *info.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(type);
  tensor.mutable_shape();
  for (const auto& dim : dims) {
    auto& proto = *tensor.mutable_shape()->add_dim();
    if (!dim.empty() && dim[0] >= '0' && dim[0] <= '9') {
      proto.set_dim_value(std::stoll(dim));
    } else if (!dim.empty()) {
      proto.set_dim_param(dim);
    }
  }
  return info;
}

inline void import_opset(onnx::ModelProto& model, const std::string& domain, std::int64_t version) {
  auto& import = *model.add_opset_import();
  import.set_domain(domain);
  import.set_version(version);
}

// y = x w, x [batch, 3], w [3, 2].
inline onnx::ModelProto matmul_model() {
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.set_producer_name("test");
  import_opset(model, "", 13);
  auto& graph = *model.mutable_graph();
  *graph.add_initializer() = float_tensor("w", {3, 2}, {1, 2, 3, 4, 5, 6});
  *graph.add_input() = tensor_info("x", 1, {"batch", "3"});
  *graph.add_output() = tensor_info("y", 1, {"batch", "2"});
  *graph.add_node() = node("MatMul", {"x", "w"}, {"y"});
  return model;
}

// A TensorProto with its header, to which a test appends data fields.
inline std::string tensor_head(const std::string& name, std::int32_t type, const std::vector<std::int64_t>& dims) {
  std::string out;
  for (std::int64_t d : dims) append_varint_field(out, 1, static_cast<std::uint64_t>(d));
  append_varint_field(out, 2, static_cast<std::uint64_t>(type));
  append_bytes_header(out, 8, name.size());
  return out + name;
}

inline void append_bytes_field(std::string& out, std::uint64_t number, const std::string& bytes) {
  append_bytes_header(out, number, bytes.size());
  out += bytes;
}

}  // namespace sesame::engine
