#include "engine/onnx_writer.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "engine/onnx_types.h"
#include "engine/onnx_wire.h"
#include "engine/replacing_file.h"
#include "sesame/error.h"
#include "sesame_onnx.pb.h"

namespace sesame::engine {

using sesame_onnx::AttributeProto;
using sesame_onnx::NodeProto;
using sesame_onnx::TensorProto;
using sesame_onnx::ValueInfoProto;

namespace {

constexpr std::size_t kMinExternalBytes = 1024;
constexpr std::uint64_t kExternalAlignment = 4096;  // as ONNX recommends, so that readers can map it

std::string_view text_of(const Tensor& tensor) { return {static_cast<const char*>(tensor.raw()), tensor.bytes()}; }

void append_message(std::string& out, std::uint64_t field, const google::protobuf::MessageLite& message) {
  const std::string bytes = message.SerializeAsString();
  append_bytes_header(out, field, bytes.size());
  out += bytes;
}

// --- Names ---

// A name for every value, all different.
class Names {
 public:
  explicit Names(const Graph& graph) : names_(graph.value_count()) {
    // Who uses the model knows the names of inputs and outputs, so these choose first.
    for (ValueId id : graph.inputs) assign(graph, id);
    for (ValueId id : graph.outputs) assign(graph, id);
    for (std::size_t v = 0; v < graph.value_count(); ++v) assign(graph, static_cast<ValueId>(v));
  }

  const std::string& operator[](ValueId id) const {
    static const std::string none;
    return id == kNoValue ? none : names_[static_cast<std::size_t>(id)];
  }

 private:
  void assign(const Graph& graph, ValueId id) {
    std::string& name = names_[static_cast<std::size_t>(id)];
    if (!name.empty()) return;
    const std::string& wanted = graph.value(id).name;
    const std::string base = wanted.empty() ? "value_" + std::to_string(id) : wanted;
    name = base;
    for (int& n = copies_[base]; !taken_.insert(name).second;) name = base + "_" + std::to_string(++n);
  }

  std::vector<std::string> names_;
  std::unordered_set<std::string> taken_;
  std::unordered_map<std::string, int> copies_;
};

// --- Nodes ---

void describe_tensor(const Tensor& tensor, TensorProto& proto) {
  for (std::int64_t d : tensor.shape()) proto.add_dims(d);
  proto.set_data_type(onnx_number(tensor.type()));
}

void set_value(AttributeProto& proto, std::int64_t value) {
  proto.set_i(value);
  proto.set_type(2);
}
void set_value(AttributeProto& proto, float value) {
  proto.set_f(value);
  proto.set_type(1);
}
void set_value(AttributeProto& proto, const std::string& value) {
  proto.set_s(value);
  proto.set_type(3);
}
void set_value(AttributeProto& proto, const Tensor& value) {
  describe_tensor(value, *proto.mutable_t());
  proto.mutable_t()->set_raw_data(std::string(text_of(value)));
  proto.set_type(4);
}
void set_value(AttributeProto& proto, const std::vector<float>& values) {
  proto.mutable_floats()->Assign(values.begin(), values.end());
  proto.set_type(6);
}
void set_value(AttributeProto& proto, const std::vector<std::int64_t>& values) {
  proto.mutable_ints()->Assign(values.begin(), values.end());
  proto.set_type(7);
}
void set_value(AttributeProto& proto, const std::vector<std::string>& values) {
  for (const std::string& value : values) proto.add_strings(value);
  proto.set_type(8);
}
void set_value(AttributeProto& proto, Subgraph) {
  throw Error("its attribute '" + proto.name() + "' holds a subgraph, whose nodes were not read");
}

// Whether nodes of our own domain may be written: to files of our own only.
enum class OwnOperators { refused, written };

NodeProto node_proto(const Node& node, const Names& names, OwnOperators own) {
  const bool is_own = node.domain == kSesame && own == OwnOperators::refused;
  if (is_own || node.step != nullptr) throw Error("ONNX has no such operator");
  NodeProto proto;
  for (ValueId id : node.inputs) proto.add_input(names[id]);
  for (ValueId id : node.outputs) proto.add_output(names[id]);
  if (!node.name.empty()) proto.set_name(node.name);
  proto.set_op_type(node.op);
  if (!node.domain.empty()) proto.set_domain(node.domain);
  for (const auto& [name, value] : node.attributes.all()) {
    AttributeProto* attribute = proto.add_attribute();
    attribute->set_name(name);
    std::visit([&](const auto& v) { set_value(*attribute, v); }, value);
  }
  return proto;
}

std::string serialised_nodes(const Graph& graph, const Names& names, OwnOperators own = OwnOperators::refused) {
  std::string out;
  for (const Node& node : graph.nodes) {
    try {
      append_message(out, 1, node_proto(node, names, own));
    } catch (const Error& error) {
      throw Error(describe(graph, node) + " cannot be written as ONNX: " + error.what());
    }
  }
  return out;
}

// --- Inputs, outputs, opsets ---

ValueInfoProto value_info(const Value& value, const std::string& name) {
  ValueInfoProto info;
  info.set_name(name);
  if (!value.declared_type) return info;
  auto& type = *info.mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx_number(*value.declared_type));
  if (!value.declared_shape) return info;
  type.mutable_shape();
  for (std::size_t i = 0; i < value.declared_shape->size(); ++i) {
    auto& dim = *type.mutable_shape()->add_dim();
    const std::int64_t size = (*value.declared_shape)[i];
    const bool has_name = i < value.declared_dim_names.size() && !value.declared_dim_names[i].empty();
    if (size >= 0) dim.set_dim_value(size);
    if (size < 0 && has_name) dim.set_dim_param(value.declared_dim_names[i]);
  }
  return info;
}

std::string serialised_interface(const Graph& graph, const Names& names) {
  std::string out;
  for (ValueId id : graph.inputs) append_message(out, 11, value_info(graph.value(id), names[id]));
  for (ValueId id : graph.outputs) append_message(out, 12, value_info(graph.value(id), names[id]));
  return out;
}

// What the graph imports, and what its nodes need besides.
std::map<std::string, int, std::less<>> all_opsets(const Graph& graph) {
  auto opsets = graph.opsets;
  for (const Node& node : graph.nodes) {
    const auto [it, is_new] = opsets.try_emplace(node.domain, node.version);
    if (it->second != node.version) {
      throw Error(describe(graph, node) + " cannot be written as ONNX: it is of opset " + std::to_string(node.version) +
                  ", the graph of " + std::to_string(it->second));
    }
  }
  return opsets;
}

// The oldest version of the format that knows the opset, 8 for all that are older.
int ir_version(const std::map<std::string, int, std::less<>>& opsets) {
  const auto onnx = opsets.find(kOnnx);
  const int opset = onnx == opsets.end() ? 1 : onnx->second;
  return opset <= 18 ? 8 : opset <= 20 ? 9 : 10;
}

std::string serialised_header(const Graph& graph) {
  const auto opsets = all_opsets(graph);
  sesame_onnx::ModelProto model;
  model.set_ir_version(ir_version(opsets));
  model.set_producer_name(graph.producer_name);
  model.set_producer_version(graph.producer_version);
  for (const auto& [domain, version] : opsets) {
    auto& import = *model.add_opset_import();
    import.set_domain(domain);
    import.set_version(version);
  }
  return model.SerializeAsString();
}

// --- Constants ---

// A TensorProto in two pieces: what protobuf writes, and the raw data, which is not copied.
struct Initializer {
  std::string head;
  Tensor data;  // undefined when it is in the external file

  std::uint64_t bytes() const { return head.size() + (data ? data.bytes() : 0); }
};

Initializer initializer(const std::string& name, const Tensor& tensor) {
  TensorProto proto;
  describe_tensor(tensor, proto);
  proto.set_name(name);
  Initializer result{proto.SerializeAsString(), tensor};
  append_bytes_header(result.head, 9, tensor.bytes());
  return result;
}

// What stands in the model for a tensor whose data is at an offset of another file.
std::string external_head(const std::string& name, const Tensor& tensor, const std::string& location,
                          std::uint64_t offset) {
  TensorProto proto;
  describe_tensor(tensor, proto);
  proto.set_name(name);
  proto.set_data_location(1);
  const auto entry = [&](const char* key, const std::string& value) {
    proto.add_external_data()->set_key(key);
    proto.mutable_external_data(proto.external_data_size() - 1)->set_value(value);
  };
  entry("location", location);
  entry("offset", std::to_string(offset));
  entry("length", std::to_string(tensor.bytes()));
  return proto.SerializeAsString();
}

Initializer external_initializer(const std::string& name, const Tensor& tensor, const std::string& location,
                                 ReplacingFile& file) {
  file.pad_to(kExternalAlignment);
  const std::uint64_t offset = file.position();
  file.write(text_of(tensor));
  return {external_head(name, tensor, location, offset), {}};
}

// The constants that somebody reads, in the order of their numbers.
std::vector<ValueId> read_constants(const Graph& graph) {
  std::vector<ValueId> ids;
  const auto add = [&](ValueId id) {
    if (graph.is_constant(id)) ids.push_back(id);
  };
  for (const Node& node : graph.nodes) std::for_each(node.inputs.begin(), node.inputs.end(), add);
  std::for_each(graph.outputs.begin(), graph.outputs.end(), add);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

void write(ReplacingFile& file, const Initializer& initializer) {
  file.write(initializer.head);
  if (initializer.data) file.write(text_of(initializer.data));
}

// The bytes of an initializer's field number 5, header included.
std::string field_header(const Initializer& initializer) {
  std::string header;
  append_bytes_header(header, 5, initializer.bytes());
  return header;
}

void write_model(const Graph& graph, const Names& names, const std::vector<Initializer>& initializers,
                 ReplacingFile& file) {
  std::string front = serialised_nodes(graph, names);
  append_bytes_header(front, 2, 6);
  front += "sesame";  // a graph must have a name
  const std::string back = serialised_interface(graph, names);
  std::uint64_t bytes = front.size() + back.size();
  for (const Initializer& each : initializers) bytes += field_header(each).size() + each.bytes();

  std::string header = serialised_header(graph);
  append_bytes_header(header, 7, bytes);
  file.write(header);
  file.write(front);
  for (const Initializer& each : initializers) {
    file.write(field_header(each));
    write(file, each);
  }
  file.write(back);
}

}  // namespace

void write_onnx(const Graph& graph, const std::filesystem::path& file, const OnnxWriteOptions& options) {
  const Names names(graph);
  const std::vector<ValueId> constants = read_constants(graph);
  std::uint64_t bytes = 0;
  for (ValueId id : constants) bytes += graph.constant(id).bytes();

  std::filesystem::path data_path = file;
  data_path += ".data";
  std::unique_ptr<ReplacingFile> data;
  if (bytes > options.external_above) data = std::make_unique<ReplacingFile>(data_path);
  std::vector<Initializer> initializers;
  for (ValueId id : constants) {
    const Tensor& tensor = graph.constant(id);
    const bool is_external = data != nullptr && tensor.bytes() >= kMinExternalBytes;
    initializers.push_back(is_external ? external_initializer(names[id], tensor, data_path.filename().string(), *data)
                                       : initializer(names[id], tensor));
  }
  ReplacingFile model(file);
  write_model(graph, names, initializers, model);
  if (data != nullptr) data->commit();
  model.commit();
}

std::string onnx_bytes(const Graph& graph, const PlaceTensor& place) {
  const Names names(graph);
  std::string body = serialised_nodes(graph, names, OwnOperators::written);
  append_bytes_header(body, 2, 6);
  body += "sesame";
  for (ValueId id : read_constants(graph)) {
    const Tensor& tensor = graph.constant(id);
    const std::string head = external_head(names[id], tensor, place(tensor), 0);
    append_bytes_header(body, 5, head.size());
    body += head;
  }
  body += serialised_interface(graph, names);
  std::string model = serialised_header(graph);
  append_bytes_header(model, 7, body.size());
  return model + body;
}

void write_tensor_proto(const std::string& name, const Tensor& tensor, const std::filesystem::path& file) {
  ReplacingFile out(file);
  write(out, initializer(name, tensor));
  out.commit();
}

}  // namespace sesame::engine
