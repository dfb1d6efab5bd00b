#include "engine/onnx_graph_builder.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "engine/known_condition.h"
#include "engine/onnx_types.h"
#include "engine/printable.h"
#include "sesame/error.h"

namespace sesame::engine {

using sesame_onnx::FunctionProto;
using sesame_onnx::NodeProto;
using sesame_onnx::OperatorSetIdProto;
using sesame_onnx::TypeProto;
using sesame_onnx::ValueInfoProto;

namespace {

constexpr std::size_t kMaxValues = std::size_t{1} << 28;
constexpr std::size_t kMaxRank = 64;
constexpr std::size_t kMaxCallDepth = 64;
// A few functions that call each other twice describe a graph of any size. What inlining may make of a file is limited:
// the largest exports known hold some ten thousand small nodes.
constexpr std::size_t kMaxInlinedBytes = std::size_t{64} << 20;
constexpr std::size_t kNodeOverhead = 512;
// Looking into a condition costs a look at all of the graph before it.
constexpr int kMaxConditions = 64;
constexpr int kMaxBranchDepth = 16;

std::string normalised_domain(const std::string& domain) {
  return domain == "ai.onnx" ? std::string() : printable(domain);
}

std::string function_key(const std::string& domain, const std::string& name, const std::string& overload) {
  return normalised_domain(domain) + '\n' + name + '\n' + overload;
}

std::string label(const NodeProto& proto) {
  const std::string& name = proto.name().empty() && proto.output_size() > 0 ? proto.output(0) : proto.name();
  return "node '" + printable(name) + "' (" + printable(proto.op_type()) + ")";
}

std::map<std::string, int, std::less<>> opsets_of(
    const google::protobuf::RepeatedPtrField<OperatorSetIdProto>& imports) {
  std::map<std::string, int, std::less<>> opsets;
  for (const OperatorSetIdProto& import : imports) {
    if (import.version() < 1 || import.version() > std::numeric_limits<int>::max()) {
      throw Error("opset import '" + printable(import.domain()) + "' has the invalid version " +
                  std::to_string(import.version()));
    }
    // Some exporters list "" and "ai.onnx"; the higher version counts.
    int& version = opsets[normalised_domain(import.domain())];
    version = std::max(version, static_cast<int>(import.version()));
  }
  return opsets;
}

std::string kind_of(const TypeProto& type) {
  if (type.has_sequence_type()) return "sequence";
  if (type.has_map_type()) return "map";
  if (type.has_optional_type()) return "optional";
  if (type.has_sparse_tensor_type()) return "sparse tensor";
  return "opaque";
}

bool is_other_than_tensor(const TypeProto& type) {
  return type.has_sequence_type() || type.has_map_type() || type.has_optional_type() || type.has_sparse_tensor_type() ||
         type.has_opaque_type();
}

void declare(const ValueInfoProto& info, Value& value) {
  const auto& type = info.type().tensor_type();
  value.declared_type = dtype_from_onnx(type.elem_type());
  if (!type.has_shape() || type.shape().dim_size() > static_cast<int>(kMaxRank)) return;
  value.declared_shape.emplace();
  for (const auto& dim : type.shape().dim()) {
    const bool known = dim.has_dim_value() && dim.dim_value() >= 0;
    value.declared_shape->push_back(known ? dim.dim_value() : -1);
    value.declared_dim_names.push_back(known ? std::string() : printable(dim.dim_param()));
  }
}

void check_input_type(const ValueInfoProto& info) {
  const std::string input = "graph input '" + printable(info.name()) + "': ";
  const TypeProto& type = info.type();
  if (is_other_than_tensor(type)) throw Error(input + "unsupported input type " + kind_of(type));
  const auto& tensor = type.tensor_type();
  if (tensor.has_elem_type() && tensor.elem_type() != 0 && !dtype_from_onnx(tensor.elem_type())) {
    throw Error(input + "unsupported input type " + onnx_type_name(tensor.elem_type()));
  }
  if (tensor.shape().dim_size() > static_cast<int>(kMaxRank)) {
    throw Error(input + "expected at most " + std::to_string(kMaxRank) + " dimensions, found " +
                std::to_string(tensor.shape().dim_size()));
  }
}

// The tensor that a Constant node's attribute describes.
Tensor constant_tensor(const Attributes& attributes) {
  if (attributes.has("value")) return attributes.tensor("value");
  if (attributes.has("value_float")) return Tensor::scalar(attributes.real("value_float"));
  if (attributes.has("value_int")) return Tensor::scalar(attributes.integer("value_int"));
  if (attributes.has("value_floats")) {
    const std::vector<float> values = attributes.reals("value_floats");
    return Tensor::of(Shape{static_cast<std::int64_t>(values.size())}, values);
  }
  if (attributes.has("value_ints")) {
    const std::vector<std::int64_t> values = attributes.integers("value_ints");
    return Tensor::of(Shape{static_cast<std::int64_t>(values.size())}, values);
  }
  if (attributes.has("value_string") || attributes.has("value_strings")) {
    throw Error(unsupported_element_type(kOnnxString));
  }
  if (attributes.has("sparse_value")) throw Error("sparse tensors are not supported");
  throw Error("attribute 'value' is missing");
}

}  // namespace

void OnnxGraphBuilder::add_initializer(Initializer initializer) {
  if (initializer.name.empty()) throw Error("an initializer has no name");
  const ValueId id = value_of(top_, initializer.name);
  if (is_defined(id)) throw Error("initializer '" + printable(initializer.name) + "' is there twice");
  set_defined(id);
  graph_.value(id).constant = std::move(initializer.tensor);
}

Graph OnnxGraphBuilder::build() {
  graph_.producer_name = printable(model_.producer_name());
  graph_.producer_version = printable(model_.producer_version());
  read_opsets();
  read_functions();
  if (model_.graph().sparse_initializer_size() > 0) throw Error("sparse initializers are not supported");
  for (const ValueInfoProto& info : model_.graph().input()) add_input(info);
  for (const NodeProto& node : model_.graph().node()) add_node(node, top_);
  check_defined();
  for (const ValueInfoProto& info : model_.graph().output()) add_output(info);
  if (graph_.outputs.empty()) throw Error("the graph has no outputs");
  sort_topologically(graph_);
  return std::move(graph_);
}

void OnnxGraphBuilder::read_opsets() {
  if (model_.opset_import_size() == 0) throw Error("no opset import");
  graph_.opsets = opsets_of(model_.opset_import());
  top_.opsets = &graph_.opsets;
}

void OnnxGraphBuilder::read_functions() {
  for (const FunctionProto& function : model_.functions()) {
    const std::string key = function_key(function.domain(), function.name(), function.overload());
    if (!functions_.emplace(key, &function).second) {
      throw Error("function '" + printable(function.name()) + "' is there twice");
    }
  }
}

void OnnxGraphBuilder::add_input(const ValueInfoProto& info) {
  // Old exporters list initializers among the inputs, as defaults that a caller could replace: constants here.
  if (const auto it = top_.values.find(info.name()); it != top_.values.end()) {
    if (graph_.is_constant(it->second)) return;
    throw Error("graph input '" + printable(info.name()) + "' is there twice");
  }
  if (info.name().empty()) throw Error("a graph input has no name");
  check_input_type(info);
  const ValueId id = define(top_, info.name());
  declare(info, graph_.value(id));
  graph_.inputs.push_back(id);
}

void OnnxGraphBuilder::add_output(const ValueInfoProto& info) {
  const auto it = top_.values.find(info.name());
  if (it == top_.values.end() || !is_defined(it->second)) {
    throw Error("graph output never computed: no node makes '" + printable(info.name()) + "'");
  }
  Value& value = graph_.value(it->second);
  if (!value.declared_type && !value.declared_shape) declare(info, value);
  graph_.outputs.push_back(it->second);
}

ValueId OnnxGraphBuilder::value_of(Scope& scope, const std::string& name) {
  if (name.empty()) return kNoValue;
  const auto [it, is_new] = scope.values.try_emplace(name, kNoValue);
  if (!is_new) return it->second;
  if (graph_.value_count() >= kMaxValues) throw Error("more than " + std::to_string(kMaxValues) + " tensors");
  if (scope.function != nullptr) charge(scope.prefix.size() + name.size());
  it->second = graph_.add_value(printable(scope.prefix + name));
  defined_.push_back(false);
  return it->second;
}

void OnnxGraphBuilder::set_defined(ValueId id) { defined_[static_cast<std::size_t>(id)] = true; }

ValueId OnnxGraphBuilder::define(Scope& scope, const std::string& name) {
  const ValueId id = value_of(scope, name);
  if (id == kNoValue) return id;
  if (is_defined(id)) throw Error("tensor written twice: '" + graph_.value(id).name + "'");
  set_defined(id);
  return id;
}

void OnnxGraphBuilder::add_node(const NodeProto& proto, Scope& scope) {
  const auto function = functions_.find(function_key(proto.domain(), proto.op_type(), proto.overload()));
  try {
    Attributes attributes = resolve_attributes(proto, scope);
    if (function == functions_.end()) return add_plain_node(proto, scope, std::move(attributes));
    return add_call(proto, *function->second, scope, std::move(attributes));
  } catch (const Error& error) {
    // The innermost node is enough.
    const std::string what = error.what();
    if (what.starts_with("node '")) throw;
    throw Error(label(proto) + ": " + what);
  }
}

void OnnxGraphBuilder::add_plain_node(const NodeProto& proto, Scope& scope, Attributes attributes) {
  if (proto.op_type().empty()) throw Error("it has no operator");
  Node node;
  node.op = printable(proto.op_type());
  node.domain = normalised_domain(proto.domain());
  node.name = printable(scope.prefix + proto.name());
  if (proto.name().empty()) node.name.clear();
  if (const auto opset = scope.opsets->find(node.domain); opset != scope.opsets->end()) {
    node.version = opset->second;
  } else if (node.domain == kOnnx) {
    throw Error("no opset import for the domain ai.onnx");
  }
  if (node.is("Constant")) return add_constant(proto, scope, attributes);
  if (node.is("If") && add_branch(proto, scope)) return;
  for (const std::string& input : proto.input()) node.inputs.push_back(value_of(scope, input));
  for (const std::string& output : proto.output()) node.outputs.push_back(define(scope, output));
  node.attributes = std::move(attributes);
  graph_.nodes.push_back(std::move(node));
}

bool OnnxGraphBuilder::add_branch(const NodeProto& proto, Scope& scope) {
  if (proto.input_size() != 1 || branch_depth_ == kMaxBranchDepth || ++conditions_ > kMaxConditions) return false;
  const auto condition = known_condition(graph_, value_of(scope, proto.input(0)));
  if (!condition) return false;
  const sesame_onnx::GraphProto* branch = nullptr;
  for (const auto& attribute : proto.attribute()) {
    if (attribute.name() == (*condition ? "then_branch" : "else_branch") && attribute.has_g()) branch = &attribute.g();
  }
  if (branch == nullptr || branch->output_size() < proto.output_size() || branch->sparse_initializer_size() > 0) {
    return false;
  }
  // Inside, names of the graph around it are known, and none of those made inside leaves.
  charge(scope.function != nullptr ? kNodeOverhead * scope.values.size() : 0);
  Scope inner = scope;
  inner.prefix = call_prefix(proto, scope);
  for (const auto& initializer : branch->initializer()) inner.values.erase(initializer.name());
  for (const NodeProto& node : branch->node()) {
    for (const std::string& name : node.output()) inner.values.erase(name);
  }
  for (int i = 0; i < proto.output_size(); ++i) {
    const std::string& name = branch->output(i).name();
    if (proto.output(i).empty()) continue;
    const bool is_new = inner.values.try_emplace(name, value_of(scope, proto.output(i))).second;
    if (!is_new) add_identity(inner.values.at(name), define(scope, proto.output(i)));
  }
  for (const auto& initializer : branch->initializer()) {
    if (initializer.name().empty()) throw Error("an initializer has no name");
    graph_.value(define(inner, initializer.name())).constant = tensors_(initializer);
  }
  ++branch_depth_;
  for (const NodeProto& node : branch->node()) add_node(node, inner);
  --branch_depth_;
  return true;
}

void OnnxGraphBuilder::add_identity(ValueId from, ValueId to) {
  Node identity;
  identity.op = "Identity";
  identity.version = std::max(graph_.opsets.contains("") ? graph_.opsets.find("")->second : 1, 1);
  identity.inputs = {from};
  identity.outputs = {to};
  graph_.nodes.push_back(std::move(identity));
}

void OnnxGraphBuilder::add_constant(const NodeProto& proto, Scope& scope, const Attributes& attributes) {
  if (proto.output_size() != 1) throw Error("expected 1 output, found " + std::to_string(proto.output_size()));
  Tensor tensor = constant_tensor(attributes);
  const ValueId id = define(scope, proto.output(0));
  if (id != kNoValue) graph_.value(id).constant = std::move(tensor);
}

Attributes OnnxGraphBuilder::resolve_attributes(const NodeProto& proto, const Scope& scope) {
  Attributes attributes;
  if (scope.function != nullptr) charge(kNodeOverhead + proto.ByteSizeLong());
  for (const auto& attribute : proto.attribute()) {
    const std::string name = printable(attribute.name());
    if (attribute.ref_attr_name().empty()) {
      attributes.set(name, make_attribute(attribute, tensors_));
      continue;
    }
    if (scope.arguments == nullptr) {
      throw Error("attribute '" + name + "' refers to a function's and is in none");
    }
    // An attribute that the call leaves out is left out here too, so that the operator's own default holds.
    const auto argument = scope.arguments->all().find(printable(attribute.ref_attr_name()));
    if (argument == scope.arguments->all().end()) continue;
    charge(copied_bytes(argument->second));
    attributes.set(name, argument->second);
  }
  return attributes;
}

void OnnxGraphBuilder::charge(std::size_t bytes) {
  inlined_bytes_ += bytes;
  if (inlined_bytes_ > kMaxInlinedBytes) throw Error("its functions, inlined, make too large a graph");
}

std::string OnnxGraphBuilder::call_prefix(const NodeProto& call, const Scope& scope) {
  std::string prefix = printable(scope.prefix + call.name());
  if (!call.name().empty() && prefixes_.insert(prefix).second) return prefix + "/";
  const std::string output = call.output_size() > 0 ? call.output(0) : call.op_type();
  prefix = printable(scope.prefix + output);
  for (int n = 2; !prefixes_.insert(prefix).second; ++n) {
    prefix = printable(scope.prefix + output, 400) + "_" + std::to_string(n);
    charge(prefix.size());
  }
  return prefix + "/";
}

void OnnxGraphBuilder::add_call(const NodeProto& call, const FunctionProto& function, Scope& outer,
                                Attributes arguments) {
  if (std::find(calls_.begin(), calls_.end(), &function) != calls_.end()) throw Error("the function calls itself");
  if (calls_.size() == kMaxCallDepth) {
    throw Error("functions call each other more than " + std::to_string(kMaxCallDepth) + " deep");
  }
  if (call.input_size() > function.input_size() || call.output_size() > function.output_size()) {
    throw Error("expected at most " + std::to_string(function.input_size()) + " inputs and " +
                std::to_string(function.output_size()) + " outputs as its function has, found " +
                std::to_string(call.input_size()) + " and " + std::to_string(call.output_size()));
  }
  charge(kNodeOverhead * static_cast<std::size_t>(1 + function.input_size() + function.opset_import_size()));
  for (const auto& preset : function.attribute_proto()) {
    const std::string name = printable(preset.name());
    if (arguments.has(name)) continue;
    arguments.set(name, make_attribute(preset, tensors_));
    charge(copied_bytes(arguments.all().find(name)->second));
  }
  Opsets opsets = opsets_of(function.opset_import());
  opsets.insert(graph_.opsets.begin(), graph_.opsets.end());

  Scope inner;
  inner.prefix = call_prefix(call, outer);
  inner.opsets = &opsets;
  inner.function = &function;
  inner.arguments = &arguments;
  for (int i = 0; i < function.input_size(); ++i) {
    inner.values[function.input(i)] = i < call.input_size() ? value_of(outer, call.input(i)) : kNoValue;
  }
  bind_outputs(call, function, outer, inner);
  calls_.push_back(&function);
  for (const NodeProto& node : function.node()) add_node(node, inner);
  calls_.pop_back();
}

void OnnxGraphBuilder::bind_outputs(const NodeProto& call, const FunctionProto& function, Scope& outer, Scope& inner) {
  for (int i = 0; i < call.output_size(); ++i) {
    if (call.output(i).empty()) continue;
    const auto [it, is_new] = inner.values.try_emplace(function.output(i), kNoValue);
    if (is_new) {
      it->second = value_of(outer, call.output(i));
      continue;
    }
    // The function hands an input, or one output twice, through.
    add_identity(it->second, define(outer, call.output(i)));
  }
}

void OnnxGraphBuilder::check_defined() const {
  for (const Node& node : graph_.nodes) {
    for (ValueId id : node.inputs) {
      if (id == kNoValue || is_defined(id)) continue;
      throw Error(describe(graph_, node) + " reads the undefined tensor " + graph_.value(id).name +
                  ": no node, input or initializer makes it");
    }
  }
}

}  // namespace sesame::engine
